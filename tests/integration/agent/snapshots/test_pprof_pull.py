"""The agent fetches a program's own profiles for the collector, where its configuration allows that."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.snapshots.pprof_allowed import place
from gosonde_agent.snapshots.pprof_pull import PprofPuller
from gosonde_agent.wire.pulled_labels import labels_counted
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_common.errors import GosondeError, InvalidInputError, OverloadedError, UnsupportedError
from gosonde_common.values.labels import KeyCount

from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build
from tests.integration.collector.snapshots.test_snapshot_requests import agent, host_of

Start = Callable[..., GoProgram]


def test_a_real_program_answers_with_each_of_its_profiles() -> None:
    with GoProgram(build("leak"), "0") as program:
        puller = PprofPuller([place(f"*/leak=http://127.0.0.1:{program.ready['port']}/debug/pprof")])
        for profile in ("goroutine", "goroutineleak", "heap"):
            assert gzip.decompress(puller.take(program.pid, profile))


@pytest.mark.parametrize("version", ["1.21.13", "1.27.3"])
def test_a_profile_is_sent_without_labels_and_says_how_many_goroutines_have_which(version: str) -> None:
    with GoProgram(build("endpoints", version)) as program:
        for asked in ("/export?forget=1 9", "/list?forget=1 1"):
            assert "error" not in program.ask(f"ask {asked}")
        puller = PprofPuller([place(f"*=http://127.0.0.1:{program.ready['port']}/debug/pprof")])
        taken = puller.take(program.pid, "goroutine")
    assert b"ann@example.com" in gzip.decompress(taken)
    sent = gzip.decompress(labels_counted(taken, ("endpoint",)))
    assert not [text for text in (b"ann@example.com", b"r-1", b"/list") if text in sent]
    before, after = parse_profile(gzip.decompress(taken)), parse_profile(sent)
    assert isinstance(before, GoroutineProfile)
    assert isinstance(after, GoroutineProfile)
    assert after.groups == before.groups
    (here,) = [one for one in after.labels if one.place.function == "main.fetch.func1"]
    assert (here.goroutines, here.keys[0]) == (10, KeyCount("endpoint", 10, (("/export", 9),)))
    assert set(here.keys[1:]) == {KeyCount("customer", 10), KeyCount("request_id", 10)}


@pytest.mark.parametrize("damaged", [b"", b"\x1f\x8b", gzip.compress(b"\x12\x02")[:-9], gzip.compress(b"\xff" * 99)])
def test_a_damaged_profile_is_refused(damaged: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"the program's profile is (damaged|cut off)"):
        labels_counted(damaged, ())


def test_a_profile_that_is_too_large_unpacked_is_refused() -> None:
    with pytest.raises(OverloadedError, match="inflates to more than"):
        labels_counted(gzip.compress(bytes(33 << 20)), ())


@pytest.mark.usefixtures("ebpf")
def test_profiles_come_from_the_process_that_they_are_of(go_program: Start, tmp_path: Path) -> None:
    program, other = go_program("leak", "20"), go_program("leak", "20")
    config = tmp_path / "agent.toml"
    config.write_text(f'pprof = ["*/leak=http://127.0.0.1:{program.ready["port"]}/debug/pprof"]\n')
    flags = ("--pid", str(program.pid), "--pid", str(other.pid), "--config", str(config))
    with CollectorProcess(tmp_path) as collector, collector.client() as client, agent(collector, tmp_path, *flags):
        host = host_of(client, program.pid)
        taken = client.take_snapshot(host, program.pid, "pprof")
        assert (taken.kind, taken.format) == ("goroutine", "proto")
        assert taken.goroutines > 4
        kinds = [client.take_snapshot(host, program.pid, kind).kind for kind in ("pprof-leak", "pprof-heap")]
        assert kinds == ["goroutineleak", "heap"]
        host_of(client, other.pid)
        with pytest.raises(GosondeError, match=f"process {other.pid} does not listen at"):
            client.take_snapshot(host, other.pid, "pprof")


@pytest.mark.usefixtures("ebpf")
def test_an_agent_that_may_not_ask_for_profiles_offers_none(go_program: Start, tmp_path: Path) -> None:
    program = go_program("leak", "20")
    flags = ("--pid", str(program.pid))
    with CollectorProcess(tmp_path) as collector, collector.client() as client, agent(collector, tmp_path, *flags):
        host = host_of(client, program.pid)
        with pytest.raises(UnsupportedError, match=r"cannot take pprof snapshots; set the key pprof"):
            client.take_snapshot(host, program.pid, "pprof")
