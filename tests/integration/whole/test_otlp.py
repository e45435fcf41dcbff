"""Figures and findings of a real program arrive at a receiver of OTLP: from the collector, and from an agent alone."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde.collector_client import CollectorClient
from gosonde_common.errors import GosondeError

from tests.agent_process import AgentProcess, eventually
from tests.collector_process import PATIENCE_S, CollectorProcess
from tests.go_programs import GoProgram, build, site_line
from tests.integration.collector.snapshots.test_snapshot_requests import host_of
from tests.otlp_receiver import Point, Received, grpc_receiver, http_receiver, plain

VERSION = "1.27.3"
PROGRAM = "endpoints"


def newest(received: Received, name: str, pid: int) -> Point | None:
    points = [point for point in received.points(name) if point.resource.get("process.pid") == pid]
    return points[-1] if points else None


def at(received: Received, name: str, pid: int, line: int) -> float:
    """The newest value of a metric at a `go` statement of the program."""
    points = [
        point
        for point in received.points(name)
        if point.resource.get("process.pid") == pid and point.attributes.get("code.line.number") == line
    ]
    return points[-1].value if points else 0.0


def value(received: Received, name: str, pid: int) -> float:
    point = newest(received, name, pid)
    return point.value if point else 0.0


def answers(agent: AgentProcess) -> bool:
    try:
        with AgentClient(agent.listen, timeout_seconds=5) as client:
            return bool(client.observation(None).processes)
    except GosondeError:
        return False


@pytest.mark.usefixtures("ebpf")
def test_a_leak_arrives_from_the_collector_as_figures_and_as_an_event(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("")
    file = tmp_path / "collector.toml"
    with grpc_receiver() as (address, received):
        file.write_text(f'otlp = "http://{address}"\notlp_interval_seconds = 1\n')
        with (
            GoProgram(build(PROGRAM, VERSION)) as program,
            CollectorProcess(tmp_path, "--config", str(file)) as collector,
        ):
            agent = AgentProcess(tmp_path, collector.address, str(build(PROGRAM, VERSION)))
            try:
                assert "error" not in program.ask("ask /export?forget=1 9")
                with CollectorClient(collector.address) as client:
                    host = host_of(client, program.pid)
                    assert client.prove(host, program.pid).outcome.proved >= 9
                resource, record = received.until(received.events)[0]
                line = site_line(PROGRAM, "fetch")
                received.until(lambda: at(received, "gosonde.goroutine.live", program.pid, line) >= 9)
                used = received.until(lambda: newest(received, "go.memory.used", program.pid))
            finally:
                agent.kill()
    total = newest(received, "go.goroutine.count", program.pid)
    assert 0 < used.value < 1 << 32
    assert used.point.time_unix_nano < time.time_ns()
    assert value(received, "go.config.gogc", program.pid) == 100
    assert total
    assert resource["process.pid"] == program.pid
    assert resource["service.instance.id"] == total.resource["service.instance.id"]
    assert total.resource["process.runtime.version"] == f"go{VERSION}"
    assert record.event_name == "gosonde.finding"
    assert plain(record.attributes)["code.line.number"] == line


@pytest.mark.usefixtures("ebpf")
def test_an_agent_without_a_collector_exports_its_processes_from_a_reload_on(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("")
    with http_receiver() as (address, received), GoProgram(build("alloc", VERSION)) as program:
        agent = AgentProcess(tmp_path, "", str(build("alloc", VERSION)))
        try:
            eventually(lambda: answers(agent), PATIENCE_S)
            text = config.read_text()
            receiver = f'otlp = "http://{address}"\notlp_protocol = "http/protobuf"\notlp_interval_seconds = 1\n'
            config.write_text(f'{text}{receiver}otlp_service_name = ["unit", "executable"]\n')
            agent.process.send_signal(signal.SIGHUP)
            received.until(lambda: newest(received, "go.goroutine.count", program.pid))
            before = newest(received, "go.memory.gc.cycles", program.pid)
            program.ask("run 3")
            cycles = before.value if before else 0
            received.until(lambda: value(received, "go.memory.gc.cycles", program.pid) > cycles)
            received.until(lambda: value(received, "go.memory.allocated", program.pid) > 0)
            pause = received.until(lambda: newest(received, "go.memory.gc.pause.duration", program.pid))
            agent.process.terminate()
            assert agent.process.wait(PATIENCE_S) == 0
        finally:
            agent.kill()
    assert value(received, "go.config.gogc", program.pid) == 20
    assert value(received, "go.processor.limit", program.pid) == len(os.sched_getaffinity(0))
    assert pause.point.count == sum(pause.point.bucket_counts) > 0
    assert 0 < pause.point.sum < PATIENCE_S
    assert pause.resource["process.executable.path"] == str(build("alloc", VERSION))
    assert pause.resource["host.name"] == socket.gethostname()
    names = {point.name for point in received.points()}
    assert {"gosonde.agent.lost", "gosonde.observation.age", "gosonde.probe.time", "gosonde.otlp.sent"} <= names
    assert not received.events()
