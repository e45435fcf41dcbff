"""A real `gosonde agent` beside a test, and what tests with processes need: a free port, and deadlines."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from gosonde.agent_client import AgentClient
from gosonde_common.errors import GosondeError

from tests.collector_process import GOSONDE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AgentProcess:
    """`gosonde agent` with its own state folder, killed at the end."""

    def __init__(self, folder: Path, collector: str, executable: str) -> None:
        self.listen = f"unix:{folder}/agent.sock"
        command: list[str | Path] = [GOSONDE, "agent", "--config", folder / "agent.toml", "--state", folder / "state"]
        command += ["--listen", self.listen, "--collector", collector, "--exe", executable]
        with (folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def counted(self, pid: int) -> int:
        """Exits that it has seen of the process; -1 while it does not answer."""
        try:
            return self.shown(pid, "main.spawn")[1]
        except GosondeError:
            return -1

    def shown(self, pid: int, function: str) -> tuple[int, int]:
        """What it says that one function's `go` statements created, and how many exited."""
        with AgentClient(self.listen, timeout_seconds=5) as client:
            rows = [row for row in client.observation(pid).site_counts if row.site.function == function]
        return sum(row.created for row in rows), sum(row.exited for row in rows)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.02)
