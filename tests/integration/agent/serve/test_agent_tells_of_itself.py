"""The agent's own metrics, health and readiness, and what its local answers may say, of a real one."""

import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient

from tests.agent_process import AgentProcess, eventually, free_port
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")


def fetched(http: str, path: str) -> tuple[int, str]:
    """Status and text; (0, "") while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{http}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def value(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_metrics_health_and_readiness_are_served_and_tell_the_truth(
    tmp_path: Path, go_program: Callable[..., GoProgram]
) -> None:
    program = go_program("churn")
    executable = str(Path(f"/proc/{program.pid}/exe").readlink())
    http, listen = f"127.0.0.1:{free_port()}", f"unix:{tmp_path}/collector.sock"
    (tmp_path / "agent.toml").write_text(f'interval_seconds = 0.1\nhttp = "{http}"\n')
    agent = AgentProcess(tmp_path, listen, executable)
    try:
        eventually(lambda: fetched(http, "/readyz")[0] == 200)
        assert fetched(http, "/healthz") == (200, "ok\n")
        assert fetched(http, "/other")[0] == 404
        eventually(lambda: agent.counted(program.pid) >= 0)
        program.ask("run 100")
        eventually(lambda: agent.counted(program.pid) == 100)
        text = fetched(http, "/metrics")[1]
        assert value(text, 'gosonde_agent_processes{state="watched"}') == 1
        assert value(text, "gosonde_agent_sites") >= 1
        assert value(text, "gosonde_agent_spool_bytes") > 0
        assert value(text, "gosonde_agent_collector_connected") == 0
        assert value(text, 'gosonde_agent_lost_total{counter="uplink_events_dropped"}') == 0
        assert fetched(http, "/readyz")[0] == 200, "a collector that is away is what the spool is for"
        with CollectorProcess(tmp_path, listen=listen):
            eventually(lambda: value(fetched(http, "/metrics")[1], "gosonde_agent_collector_connected") == 1)
            eventually(lambda: value(fetched(http, "/metrics")[1], "gosonde_agent_batches_acknowledged_total") > 0)
    finally:
        agent.kill()


def test_with_redaction_no_folder_leaves_the_agent(tmp_path: Path, go_program: Callable[..., GoProgram]) -> None:
    program = go_program("churn")
    executable = Path(f"/proc/{program.pid}/exe").readlink()
    http = f"127.0.0.1:{free_port()}"
    (tmp_path / "agent.toml").write_text(f'interval_seconds = 0.1\nredact_paths = true\nhttp = "{http}"\n')
    with CollectorProcess(tmp_path) as collector, collector.client() as client:
        agent = AgentProcess(tmp_path, collector.address, str(executable))
        try:
            eventually(lambda: agent.counted(program.pid) >= 0)
            program.ask("run 100")
            eventually(lambda: any(row.created == 100 for row in client.sites(pid=program.pid)))
            stored = client.sites(pid=program.pid)
            processes = client.processes(pid=program.pid)
            client.take_snapshot(processes[0].host, program.pid)
            with AgentClient(agent.listen) as local:
                reported = [local.observation(), list(local.goroutines(program.pid))]
            metrics = fetched(http, "/metrics")[1]
        finally:
            agent.kill()
        collector.stop(signal.SIGKILL)
    disk = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"main.go" in disk
    assert b"fixtures/go" not in disk
    assert {row.file for row in stored if row.function == "main.spawn"} == {"main.go"}
    assert [process.exe for process in processes] == [executable.name]
    for text in (*map(repr, (stored, processes, *reported)), metrics):
        assert "main.spawn" in text or executable.name in text or "main.main" in text
        assert str(executable.parent) not in text
        assert "fixtures/go" not in text
