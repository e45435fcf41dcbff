"""A collector that exports to a real receiver of OTLP."""

import json
import signal
from pathlib import Path
from urllib.parse import urlencode

from gosonde_common.otlp.keys import GRPC, HTTP
from gosonde_pb.v1 import model_pb2

from tests.collector_process import SECOND, AgentStream, CollectorProcess, eventually, leak, metric, observation
from tests.otlp_receiver import Received, grpc_receiver
from tests.real_binaries import Http, free_port, running, victoria_metrics


def configuration(folder: Path, address: str, protocol: str = GRPC, more: str = "") -> Path:
    file = folder / "collector.toml"
    file.write_text(
        f'otlp = "http://{address}"\notlp_protocol = "{protocol}"\notlp_interval_seconds = 1\n{more}\n'
        if address
        else more
    )
    return file


def states(received: Received) -> list[tuple[str, str]]:
    found = [{one.key: one.value.string_value for one in record.attributes} for _, record in received.events()]
    return [(one["gosonde.finding.id"], one["gosonde.finding.state"]) for one in found]


def test_a_leak_arrives_as_figures_and_once_as_an_event_also_when_the_collector_starts_again(tmp_path: Path) -> None:
    with grpc_receiver() as (address, received):
        file = configuration(tmp_path, address, more='otlp_attributes = ["deployment.environment.name=test"]')
        with CollectorProcess(tmp_path, "--config", str(file)) as collector:
            with AgentStream(collector.address) as agent:
                for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                    agent.observe(sequence, seen)
                received.until(lambda: [p for p in received.points("gosonde.goroutine.live") if p.value == 2_500])
                (first, opened) = received.until(lambda: states(received))[0]
            assert opened in {"opened", "growing"}
            collector.stop(signal.SIGTERM)
        before = len(received.metrics)
        with CollectorProcess(tmp_path, "--config", str(file)) as collector, collector.client() as client:
            assert [one.id for one in client.findings()] == [first]
            received.until(lambda: len(received.metrics) > before + 3)
    assert len(states(received)) == len(set(states(received)))
    point = received.points("gosonde.goroutine.created")[-1]
    assert point.resource["host.name"] == "web-1"
    assert point.resource["process.runtime.version"] == "go1.24.11"
    assert point.resource["service.name"] == "app"
    assert point.resource["deployment.environment.name"] == "test"
    assert point.point.start_time_unix_nano > 0
    total = received.points("go.goroutine.count")[-1]
    assert total.value == 2_503
    resource, record = received.events()[0]
    assert resource["process.pid"] == 4711
    assert resource["service.instance.id"] == total.resource["service.instance.id"]
    assert record.severity_text in {"WARN", "ERROR"}
    assert "main.site_42" in record.body.string_value
    names = {point.name for point in received.points()}
    assert {"gosonde.observation.age", "gosonde.finding.count", "gosonde.analysis.age", "gosonde.otlp.sent"} <= names


def test_a_receiver_is_taken_from_the_configuration_when_it_is_read_again(tmp_path: Path) -> None:
    with grpc_receiver() as (address, received):
        file = configuration(tmp_path, "", more="insecure = false")
        with CollectorProcess(tmp_path, "--config", str(file)) as collector:
            with AgentStream(collector.address) as agent:
                agent.observe(1, observation([(42, 5, 1)]))
            configuration(tmp_path, address)
            collector.process.send_signal(signal.SIGHUP)
            assert received.until(lambda: received.points("go.goroutine.count"))[0].value == 4
            configuration(tmp_path, "", more="insecure = false")
            collector.process.send_signal(signal.SIGHUP)
            assert collector.stop(signal.SIGTERM) == 0


def test_a_receiver_that_is_down_keeps_nothing_from_being_stored_and_is_counted(tmp_path: Path) -> None:
    with grpc_receiver() as (address, _):
        pass
    with grpc_receiver() as (http, _):
        pass
    file = configuration(tmp_path, address, more=f'http = "{http}"')
    with CollectorProcess(tmp_path, "--config", str(file)) as collector:
        with AgentStream(collector.address) as agent, collector.client() as client:
            for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                agent.observe(sequence, seen)
            assert eventually(client, "opened") or eventually(client, "growing")
        lost = {"signal": "metrics", "reason": "unreachable"}
        Received().until(lambda: metric(http, "gosonde_otlp_dropped_total", lost) > 0)
        Received().until(lambda: metric(http, "gosonde_otlp_queued", {}) == 1)
        assert collector.stop(signal.SIGTERM) == 0
    port = int(address.rpartition(":")[2])
    with grpc_receiver(port=port) as (_, received), CollectorProcess(tmp_path, "--config", str(file)):
        assert received.until(lambda: states(received))


def test_a_database_that_nobody_here_wrote_understands_the_metrics(tmp_path: Path) -> None:
    port = free_port()
    flags = [f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={tmp_path / 'series'}", "-search.latencyOffset=1s"]
    file = configuration(tmp_path, f"127.0.0.1:{port}/opentelemetry", HTTP)
    with (
        running([str(victoria_metrics()), *flags], port, tmp_path),
        Http(port) as database,
        CollectorProcess(tmp_path, "--config", str(file)) as collector,
        AgentStream(collector.address) as agent,
    ):

        def value(name: str, **labels: str) -> float:
            chosen = ",".join(f'"{label}"="{wanted}"' for label, wanted in {**labels, "service.name": "app"}.items())
            asked = urlencode({"query": f'last_over_time({{__name__="{name}",{chosen}}}[1h])', "nocache": 1})
            answer = json.loads(database.get(f"/api/v1/query?{asked}"))
            return sum(float(one["value"][1]) for one in answer["data"]["result"])

        seen = observation([(42, 9, 2)])
        seen.pauses.MergeFrom(
            model_pb2.Pauses(
                process=[0, 0],
                start_unix_nano=[seen.taken_unix_nano - SECOND] * 2,
                duration_ns=[200_000, 3_000_000],
                reason=["GC mark termination"] * 2,
                ordinal=[0, 1],
            )
        )
        agent.observe(1, seen)
        site = {"code.function.name": "main.site_42", "code.file.path": "main.go", "code.line.number": "42"}
        Received().until(lambda: value("gosonde.goroutine.created", **site) == 9)
        known = {"host.name": "web-1", "process.runtime.version": "go1.24.11", "process.pid": "4711"}
        assert value("go.goroutine.count", **known) == 7
        # Counts of buckets are cumulative there, and are not in OTLP.
        for bound, below in {"0.0001": 0, "0.00025": 1, "0.0025": 1, "0.005": 2, "+Inf": 2}.items():
            name, phase = "go.memory.gc.pause.duration_bucket", {"gosonde.gc.phase": "mark_termination"}
            assert value(name, le=bound, **phase) == below
