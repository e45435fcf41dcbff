"""An agent whose state folder is on a disk that takes nothing more runs all the same, and says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agent_process import AgentProcess, eventually, free_port
from tests.collector_process import CollectorProcess, metric
from tests.go_programs import GoProgram
from tests.small_disk import fill, small_disk

IN_MEMORY = "gosonde_agent_spool_in_memory"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose `state` is on a small disk."""
    with small_disk(tmp_path / "state", 2):
        yield tmp_path


@contextmanager
def agent(folder: Path, program: GoProgram, collector: str) -> Iterator[str]:
    """An agent that has counted something: where it serves metrics."""
    http = f"127.0.0.1:{free_port()}"
    (folder / "agent.toml").write_text(f'http = "{http}"\ninterval_seconds = 0.1\n')
    process = AgentProcess(folder, collector, str(Path(f"/proc/{program.pid}/exe").readlink()), compiles=True)
    try:
        eventually(lambda: process.counted(program.pid) >= 0 or process.process.poll() is not None)
        assert process.process.poll() is None, (folder / "agent.log").read_text()
        yield http
    finally:
        process.kill()


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("ran_before", [True, False])
def test_the_agent_starts_on_a_full_disk_counts_and_delivers(
    folder: Path, ran_before: bool, go_program: Callable[..., GoProgram]
) -> None:
    program = go_program("churn")
    with CollectorProcess(folder) as collector:
        if ran_before:
            with agent(folder, program, "127.0.0.1:1") as http:
                assert metric(http, IN_MEMORY, {}) == 0
        fill(folder / "state")
        with agent(folder, program, collector.address) as http:
            assert metric(http, IN_MEMORY, {}) == 1
            eventually(lambda: knows(collector, program.pid))
        log = (folder / "agent.log").read_text()
        assert "the disk of the spool takes nothing" in log
        assert ("the agent id cannot be kept" in log) is not ran_before


def knows(collector: CollectorProcess, pid: int) -> bool:
    with collector.client() as client:
        return any(process.pid == pid for process in client.processes())
