"""A real `gosonde agent` beside a test, and what tests with processes need: a free port, and deadlines."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gosonde.agent_client import AgentClient
from gosonde_agent.model.errors import NotPermittedError
from gosonde_common.errors import GosondeError

from tests import kept_probes
from tests.collector_process import GOSONDE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


#: Percent of a core for agents of tests: on a busy host, of which they see all processes, they are not to wait for it.
MAX_AGENT_CPU = 20.0


def _let_take(config: Path) -> None:
    text = config.read_text()
    if "max_agent_cpu" not in text:
        config.write_text(f"max_agent_cpu = {MAX_AGENT_CPU}\n{text}")


class AgentProcess:
    """`gosonde agent` with its own state folder, killed at the end.

    Args:
        program: What is run instead of `gosonde`.
        compiles: Whether it compiles its probes as on a first start; else it finds some that were kept.
    """

    def __init__(
        self,
        folder: Path,
        collector: str,
        executable: str,
        program: Sequence[str | Path] = (GOSONDE,),
        environment: Mapping[str, str] | None = None,
        *,
        compiles: bool = False,
    ) -> None:
        if not compiles:
            with contextlib.suppress(NotPermittedError):  # where eBPF cannot be used, the agent says so itself
                kept_probes.give(folder / "state")
        _let_take(folder / "agent.toml")
        self.listen = f"unix:{folder}/agent.sock"
        command = [*program, "agent", "--config", folder / "agent.toml", "--state", folder / "state"]
        command += ["--listen", self.listen, "--exe", executable]
        command += ["--collector", collector] if collector else []
        self.log = folder / "agent.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment)

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

    def helper(self) -> int:
        """The pid of the helper that it has started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert len(children) == 1, children
        return int(children[0])

    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def delivers_its_own(agent: str) -> bool:
    """Whether a collector has acknowledged a batch of the agent's present run: what former runs left goes before."""
    try:
        with AgentClient(agent, timeout_seconds=5) as client:
            return client.status().uplink.acknowledged_sequence > 0
    except GosondeError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.02)
