"""Snapshots of a real program arrive at servers of profiles, and are what go tool pprof reads."""

import shutil
import subprocess
from pathlib import Path

import pytest
from gosonde import CollectorClient

from tests import profile_servers, toolchains
from tests.agent_process import AgentProcess
from tests.collector_process import PATIENCE_S, CollectorProcess
from tests.go_programs import GoProgram, build
from tests.http_receiver import Receiver
from tests.web_page import configured


def top(file: Path) -> str:
    """What the real `go tool pprof` says of a profile."""
    command = [str(toolchains.go()), "tool", "pprof", "-top", "-cum", str(file)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout


@pytest.mark.usefixtures("ebpf")
def test_snapshots_of_a_real_program_arrive_on_a_schedule_where_profiles_are_kept(tmp_path: Path) -> None:
    program = Path(shutil.copy(build("endpoints", "1.27.3"), tmp_path / "shop"))
    (tmp_path / "agent.toml").write_text("")
    with Receiver() as receiver, GoProgram(program) as leaking:
        assert "error" not in leaking.ask("ask /export?forget=1 10")
        _, flags = configured(tmp_path, f'profiles_to = "{receiver.url}"', "profiles_seconds = 60")
        with CollectorProcess(tmp_path, *map(str, flags)) as collector:
            agent = AgentProcess(tmp_path, collector.address, str(program))
            try:
                receiver.waits_for(lambda request: bool(request.body))
                with CollectorClient(collector.address) as client:
                    (asked,) = [row for row in client.audit() if row.act == "snapshot-asked"]
            finally:
                agent.kill()
        assert (asked.process.pid, asked.actor, asked.detail) == (leaking.pid, "analysis", "memory, profiles")
    came = profile_servers.pyroscope(receiver.requests[0])
    assert came.labels.items() >= {"service_name": "shop", "host": asked.host, "pid": str(leaking.pid)}.items()
    file = tmp_path / "pushed.pb"
    file.write_bytes(came.profile.SerializeToString())
    said = top(file)
    assert "Type: goroutine" in said
    assert "main.fetch.func1" in said
