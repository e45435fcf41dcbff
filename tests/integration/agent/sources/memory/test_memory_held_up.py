"""A program with a page that is never served holds up nothing: /proc/PID/mem does not wait for userfaultfd."""

import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.sources.memory.target import opened
from gosonde_common.errors import GosondeError

from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")


def hold_up(program: GoProgram) -> None:
    """Has runtime.allgs of a program that does nothing point at a page that is never served."""
    page = program.ask("page")["address"]
    with opened(program.pid) as target:
        allgs = target.runtime.addresses.allgs + target.runtime.bias
    memory = os.open(f"/proc/{program.pid}/mem", os.O_RDWR)
    try:
        assert os.pwrite(memory, struct.pack("<Q", page), allgs) == 8
    finally:
        os.close(memory)


def live(agent: AgentProcess, pid: int) -> int:
    """Goroutines of a process that were there before the agent."""
    try:
        with AgentClient(agent.listen, timeout_seconds=5) as client:
            return sum(row.live for row in client.observation(pid).site_counts if row.site.function == "main.main")
    except GosondeError:
        return -1


def test_other_programs_are_read_and_the_agent_ends_when_told(
    tmp_path: Path, go_program: Callable[..., GoProgram]
) -> None:
    holding = go_program("holding")
    hold_up(holding)
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\n")
    other = go_program("holding")
    executable = str(Path(f"/proc/{other.pid}/exe").readlink())
    agent = AgentProcess(tmp_path, f"unix:{tmp_path}/no-collector.sock", executable)
    try:
        eventually(lambda: live(agent, other.pid) == 10)
        assert live(agent, holding.pid) == 0
        assert b"held up" not in (tmp_path / "agent.log").read_bytes()
        agent.process.send_signal(signal.SIGTERM)
        assert agent.process.wait(timeout=60) == 0
    finally:
        agent.kill()
