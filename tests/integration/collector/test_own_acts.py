"""Who asks for a snapshot, pushes, copies the store, reloads or stops the collector is known afterwards."""

import io
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gosonde.audit import AuditRow
from gosonde.collector_client import CollectorClient
from gosonde_collector.model.tokens import digest_of
from gosonde_common.errors import GosondeError
from gosonde_pb.v1 import ingest_pb2, model_pb2

from tests.agent_process import eventually, free_port
from tests.collector_process import AgentStream, CollectorProcess, leak, observation

TOKEN, READ = "a secret of somebody", "another one"
PID = 4711
#: The same kind of text as pprof writes it.
PROFILE = b"goroutine profile: total 1\n1 @ 0x1\n#\t0x1\tmain.site_1.func1+0x1\tmain.go:1\n"
TRACE = b"gc 1 @0.010s 1%: 0.01+0.1+0.01 ms clock, 0.02+0.1/0.1/0.1+0.02 ms cpu, 4->4->0 MB, 4 MB goal, 2 P\n"
SOMEBODY = f"127.0.0.1 token {digest_of(TOKEN)[:12]}"


@pytest.fixture
def collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorProcess]:
    (tmp_path / "tokens").write_text(f"admin {digest_of(TOKEN)}\nread {digest_of(READ)}\n")
    (tmp_path / "collector.toml").write_text(f'tokens = "{tmp_path}/tokens"\n')
    monkeypatch.setenv("GOSONDE_TOKEN", TOKEN)
    with running(tmp_path) as collector:
        eventually(lambda: starts(collector) == 1)
        yield collector


def running(folder: Path) -> CollectorProcess:
    return CollectorProcess(folder, "--config", f"{folder}/collector.toml", listen=f"127.0.0.1:{free_port()}")


def acts(collector: CollectorProcess) -> dict[str, AuditRow]:
    """The newest act of each name."""
    with collector.client() as client:
        return {row.act: row for row in reversed(client.audit())}


def starts(collector: CollectorProcess) -> int:
    with collector.client() as client:
        return [row.act for row in client.audit()].count("collector-started")


def awaited(collector: CollectorProcess, act: str) -> AuditRow:
    eventually(lambda: act in acts(collector))
    return acts(collector)[act]


def test_what_people_do_over_grpc_is_known_by_address_and_token(collector: CollectorProcess) -> None:
    with (
        AgentStream(collector.address, snapshot_kinds=[model_pb2.SNAPSHOT_KIND_MEMORY]) as stream,
        collector.client() as client,
        ThreadPoolExecutor(1) as pool,
    ):
        stream.observe(1, observation([(1, 10, 3)]))
        client.push_snapshot(io.BytesIO(PROFILE), "web-1", PID)
        with CollectorClient(collector.address) as findings:
            findings.push_gctrace(TRACE, "web-1", PID)
        assert b"".join(client.backup())
        asked = pool.submit(client.take_snapshot, "web-1", PID)
        number = stream.asked().id
        at_the_agent = acts(collector)["snapshot-asked"]
        stream.answer(ingest_pb2.SnapshotPiece(id=number, failure="not now"))
        with pytest.raises(GosondeError, match="not now"):
            asked.result()
    found = acts(collector)
    for name, detail in {
        "profile-pushed": "goroutine profile",
        "gctrace-pushed": "1 lines",
        "snapshot-asked": "memory",
    }.items():
        row = found[name]
        assert (row.host, row.actor, row.who, row.detail) == ("web-1", "client", SOMEBODY, detail)
        assert (row.process.pid, row.process.exe) == (PID, "/srv/app")
        assert row.clock_offset_ns == 0
    assert at_the_agent.ordinal == found["snapshot-asked"].ordinal, "it is noted before the agent is asked"
    backup = found["backup-made"]
    assert (backup.host, backup.who, backup.process.pid) == ("", SOMEBODY, 0)


def test_who_may_only_read_leaves_no_act(collector: CollectorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOSONDE_TOKEN", READ)
    with CollectorClient(collector.address) as client, pytest.raises(GosondeError, match="admin"):
        b"".join(client.backup())
    assert set(acts(collector)) == {"collector-started"}


def test_reloads_starts_and_stops_are_known(collector: CollectorProcess, tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    sound = config.read_text()
    config.write_text(f"{sound}retention_hours = 5.0\nmax_agents = 7\n")
    collector.process.send_signal(signal.SIGHUP)
    reloaded = awaited(collector, "configuration-reloaded")
    assert (reloaded.host, reloaded.actor, reloaded.who) == ("", "signal", "SIGHUP")
    assert reloaded.detail == "changed: retention_hours; need a restart: max_agents"
    config.write_text("retention_hours = -1\n")
    collector.process.send_signal(signal.SIGHUP)
    assert "retention_hours" in awaited(collector, "reload-refused").detail
    config.write_text(sound)
    assert collector.stop(signal.SIGTERM) == 0
    with running(tmp_path) as again:
        stopped = acts(again)["collector-stopped"]
        assert (stopped.actor, stopped.who) == ("signal", "SIGTERM or SIGINT")
        eventually(lambda: starts(again) == 2)


def test_the_analysis_says_why_it_asks_an_agent_for_a_snapshot(collector: CollectorProcess) -> None:
    with AgentStream(collector.address, snapshot_kinds=[model_pb2.SNAPSHOT_KIND_MEMORY]) as stream:
        for sequence, seen in enumerate(leak(30, 5), 1):
            stream.observe(sequence, seen)
        row = awaited(collector, "snapshot-asked")
    assert (row.host, row.actor, row.who, row.process.pid) == ("web-1", "analysis", "", PID)
    assert row.detail in {"memory, suspicion", "memory, schedule"}
