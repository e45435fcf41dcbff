"""The collector as a process: streams in, answers out, and nothing acknowledged is lost."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.containers import Container
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc, ingest_pb2, model_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.collector_process import (
    GOSONDE,
    PATIENCE_S,
    AgentStream,
    CollectorProcess,
    eventually,
    leak,
    observation,
    open_channel,
)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as running:
        yield running


def totals(collector: CollectorProcess, **which: object) -> dict[str, tuple[int, int]]:
    with collector.client() as client:
        return {row.function: (row.created, row.exited) for row in client.sites(**which)}  # type: ignore[arg-type]


def test_what_is_streamed_can_be_asked_for(collector: CollectorProcess) -> None:
    with AgentStream(collector.address) as agent:
        assert agent.acknowledged == 0
        assert agent.observe(1, observation([(1, 10, 3), (2, 5, 5)])) == 1
        assert agent.observe(2, observation([(1, 12, 3)])) == 2
    assert totals(collector) == {"main.site_1": (12, 3), "main.site_2": (5, 5)}
    with collector.client() as client:
        (process,) = client.processes()
    assert (process.pid, process.created, process.exited, process.live, process.level) == (4711, 17, 8, 9, "full")


def test_repeated_batches_are_acknowledged_and_ignored(collector: CollectorProcess) -> None:
    with AgentStream(collector.address) as agent:
        agent.observe(1, observation([(1, 10, 0)]))
        agent.observe(2, observation([(1, 20, 0)]))
    with AgentStream(collector.address) as again:
        assert again.acknowledged == 2
        assert again.observe(1, observation([(1, 999, 0)])) == 2
        assert again.observe(3, observation([(1, 30, 0)])) == 3
    assert totals(collector) == {"main.site_1": (30, 0)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_restart_keeps_everything_that_was_acknowledged(tmp_path: Path, number: signal.Signals) -> None:
    with CollectorProcess(tmp_path) as first, AgentStream(first.address) as agent:
        for sequence in range(1, 21):
            assert agent.observe(sequence, observation([(1, 10 * sequence, 0)])) == sequence
        assert first.stop(number) == (-9 if number == signal.SIGKILL else 0)
    with CollectorProcess(tmp_path) as second:
        assert totals(second) == {"main.site_1": (200, 0)}
        with AgentStream(second.address) as agent:
            assert agent.acknowledged == 20


def test_a_malformed_batch_ends_its_own_stream_and_no_other(collector: CollectorProcess) -> None:
    wrong = observation([(1, 10, 0)])
    wrong.taken_unix_nano = 0
    with AgentStream(collector.address, "good") as good, AgentStream(collector.address, "bad", host="web-2") as bad:
        good.observe(1, observation([(1, 10, 0)]))
        bad.observe(1, observation([(1, 7, 0)]))
        with pytest.raises(grpc.RpcError) as refusal:
            bad.observe(2, wrong)
        assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "taken_unix_nano is 0" in str(refusal.value.details())
        assert good.observe(2, observation([(1, 11, 0)])) == 2
    assert totals(collector, host="web-1") == {"main.site_1": (11, 0)}
    assert totals(collector, host="web-2") == {"main.site_1": (7, 0)}


def test_a_wrong_row_costs_itself_alone(collector: CollectorProcess) -> None:
    wrong = observation([(1, 10, 0), (2, 2**63, 0), (3, 12, 0)])
    with AgentStream(collector.address, "odd", host="web-3") as odd:
        assert odd.observe(1, wrong) == 1
        assert odd.observe(2, observation([(1, 11, 0)])) == 2
    assert totals(collector, host="web-3") == {"main.site_1": (11, 0), "main.site_3": (12, 0)}


def test_a_stream_without_hello_is_refused(collector: CollectorProcess) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        AgentStream(collector.address, host="")
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "hello.host is empty" in str(refusal.value.details())


def test_many_agents_at_once_are_all_stored(collector: CollectorProcess) -> None:
    agents = [AgentStream(collector.address, f"agent-{n}", host=f"web-{n}") for n in range(20)]
    for sequence in range(1, 6):
        for number, agent in enumerate(agents):
            assert agent.observe(sequence, observation([(1, 100 * number + sequence, 0)])) == sequence
    with collector.client() as client:
        assert sorted(row.created for row in client.sites()) == [100 * number + 5 for number in range(20)]
    for agent in agents:
        agent.__exit__()


def test_gc_cycles_come_back_with_their_stops(collector: CollectorProcess) -> None:
    seen = observation([])
    start = seen.taken_unix_nano
    seen.gc_cycles.MergeFrom(
        model_pb2.GcCycles(process=[0], ordinal=[0], number=[7], start_unix_nano=[start], end_unix_nano=[start + 1_000])
    )
    seen.pauses.MergeFrom(
        model_pb2.Pauses(
            process=[0, 0],
            ordinal=[0, 1],
            start_unix_nano=[start, start + 990],
            duration_ns=[50, 60],
            reason=["GC sweep termination", "GC mark termination"],
        )
    )
    with AgentStream(collector.address) as agent:
        agent.observe(1, seen)
        agent.observe(2, seen)
    with collector.client() as client:
        (cycle,) = client.gc()
    assert (cycle.cycle, cycle.start_unix_nano) == (7, start)
    assert [(pause.duration_ns, pause.reason) for pause in cycle.pauses] == [
        (50, "GC sweep termination"),
        (60, "GC mark termination"),
    ]


def test_a_leak_that_is_streamed_becomes_a_finding_and_a_healthy_site_does_not(collector: CollectorProcess) -> None:
    with AgentStream(collector.address) as agent, collector.client() as client:
        for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
            agent.observe(sequence, seen)
        # The analysis may run in the middle of the stream: what counts is what it says at the end.
        assert eventually(client, "opened", live=2_500)
        (finding,) = client.findings()
    assert (finding.site.function, finding.site.file, finding.site.line) == ("main.site_42", "main.go", 42)
    assert finding.growth_per_second == pytest.approx(50, rel=0.1)
    assert finding.witnesses == {
        "events": "agrees",
        "memory": "silent",
        "pprof": "silent",
        "proof": "silent",
        "gctrace": "silent",
    }


def test_processes_and_findings_are_chosen_by_the_names_of_their_container(collector: CollectorProcess) -> None:
    with AgentStream(collector.address) as agent, collector.client() as client:
        for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
            names = {"namespace": "shop", "pod": "web-0", "name": "server", "workload": "web"}
            seen.processes[0].container.MergeFrom(model_pb2.Container(id="a" * 64, **names))
            agent.observe(sequence, seen)
        assert eventually(client, "opened", live=2_500)
        for wanted, number in ((Container(namespace="shop", workload="web"), 1), (Container(pod="web-1"), 0)):
            assert len(client.processes(container=wanted)) == len(client.findings(container=wanted)) == number
        (finding,), (process,) = client.findings(), client.processes()
        assert finding.container == process.container == Container("a" * 64, **names)
        with pytest.raises(InvalidInputError, match="filter: pod is 'Web 0', which is no name that Kubernetes gives"):
            client.findings(container=Container(pod="Web 0"))


def test_audit_events_have_no_names_of_containers_to_be_chosen_by(collector: CollectorProcess) -> None:
    question = collector_pb2.ListAuditEventsRequest(filter=collector_pb2.ProcessFilter(namespace="shop"))
    with open_channel(collector.address, None) as channel, pytest.raises(grpc.RpcError) as raised:
        collector_pb2_grpc.CollectorServiceStub(channel).ListAuditEvents(question, timeout=PATIENCE_S)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "audit events have no namespace" in str(raised.value.details())


def test_health_and_reflection_are_served(collector: CollectorProcess) -> None:
    with grpc.insecure_channel(collector.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "gosonde.v1.IngestService", "gosonde.v1.CollectorService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_message_that_is_far_too_large_is_refused(collector: CollectorProcess) -> None:
    huge = observation([])
    huge.processes[0].exe = "x" * (17 << 20)
    with AgentStream(collector.address, "bad") as bad, pytest.raises(grpc.RpcError) as refusal:
        bad.observe(1, huge)
    assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    with AgentStream(collector.address, "good") as good:
        assert good.observe(1, observation([(1, 1, 0)])) == 1


def events(collector: CollectorProcess, name: str) -> list[dict[str, object]]:
    entries = [json.loads(line) for line in collector.log.read_text().splitlines() if line.startswith("{")]
    return [entry for entry in entries if entry["event"] == name]


def test_sighup_takes_a_new_configuration_and_keeps_the_old_one_when_it_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    config.write_text('log_level = "info"\n')
    with CollectorProcess(tmp_path, "--config", str(config)) as collector:
        for text, event in (
            ("retention_hours = 0\n", "configuration not reloaded; the former one stays"),
            ("retention_hours = 5\n", "configuration reloaded"),
        ):
            config.write_text(text)
            collector.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + PATIENCE_S
            while not events(collector, event) and time.monotonic() < end:
                time.sleep(0.05)
            assert events(collector, event)
        assert totals(collector) == {}


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        with CollectorProcess(tmp_path) as collector:
            heard: list[str] = []
            while "WATCHDOG=1" not in heard or not any(message.startswith("READY=1") for message in heard):
                heard.append(manager.recv(4_096).decode())
            collector.process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in heard:
                heard.append(manager.recv(4_096).decode())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GOSONDE, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_a_port_in_use_is_said_clearly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("collector", "--data", str(tmp_path), "--listen", address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"gosonde: listen: cannot listen on {address}: another program listens there")
    assert len(done.stderr.splitlines()) == 1, "gRPC wrote a line of its own"


def test_a_second_collector_on_the_same_data_is_refused(tmp_path: Path, collector: CollectorProcess) -> None:
    done = run("collector", "--data", str(tmp_path / "data"), "--listen", f"unix:{tmp_path}/other.sock")
    assert done.returncode == 1
    assert "is open in another process" in done.stderr
    assert totals(collector) == {}


def test_plain_text_for_other_machines_is_wrong_usage(tmp_path: Path) -> None:
    done = run("collector", "--data", str(tmp_path), "--listen", "0.0.0.0:0")
    assert done.returncode == 2
    assert "insecure = true" in done.stderr


def test_the_hello_must_come_first(collector: CollectorProcess) -> None:
    with AgentStream(collector.address) as agent:
        hello = ingest_pb2.StreamObservationsRequest(hello=ingest_pb2.Hello(agent_id="a", agent_epoch="b", host="c"))
        with pytest.raises(grpc.RpcError) as refusal:
            agent.send(hello)
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
