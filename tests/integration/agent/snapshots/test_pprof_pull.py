"""The agent fetches a program's own profiles for the collector, where its configuration allows that."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.snapshots.pprof_allowed import place
from gosonde_agent.snapshots.pprof_pull import PprofPuller
from gosonde_common.errors import GosondeError, UnsupportedError

from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build
from tests.integration.collector.snapshots.test_snapshot_requests import agent, host_of

Start = Callable[..., GoProgram]


def test_a_real_program_answers_with_each_of_its_profiles() -> None:
    with GoProgram(build("leak"), "0") as program:
        puller = PprofPuller([place(f"*/leak=http://127.0.0.1:{program.ready['port']}/debug/pprof")])
        for profile in ("goroutine", "goroutineleak", "heap"):
            assert gzip.decompress(puller.take(program.pid, profile))


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
