"""Few descriptors, folders that nobody may write to, a second agent: it works, or ends with a reason."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import go_programs
from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import GOSONDE, AgentStream, CollectorProcess, observation
from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")

FEW = ("prlimit", "--nofile=64:64")
#: Runs a command for which the folder that is named first cannot be written to.
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def read_only(folder: Path) -> tuple[str | Path, ...]:
    folder.mkdir()
    return ("unshare", "--mount", "sh", "-c", READ_ONLY, folder, GOSONDE)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[GoProgram]:
    """A program that only this test's agents watch."""
    with GoProgram(Path(shutil.copy(go_programs.build("churn"), tmp_path))) as program:
        yield program


@contextmanager
def watched_by(
    folder: Path, program: GoProgram, collector: str = "", *, by: tuple[str | Path, ...] = (GOSONDE,)
) -> Iterator[AgentProcess]:
    folder.mkdir(exist_ok=True)
    (folder / "agent.toml").write_text('interval_seconds = 0.2\nmax_target_overhead = "off"\n')
    agent = AgentProcess(folder, collector, str(Path(f"/proc/{program.pid}/exe").readlink()), by, compiles=True)
    try:
        yield agent
    finally:
        agent.kill()


def test_an_agent_with_too_few_descriptors_says_how_many_it_needs(tmp_path: Path, program: GoProgram) -> None:
    with watched_by(tmp_path, program, by=(*FEW, GOSONDE)) as agent:
        assert agent.process.wait(60) == 1
        assert "this process may open 64 files, but the agent needs 256" in agent.log.read_text()
        assert "Traceback" not in agent.log.read_text()


def test_an_agent_with_as_few_descriptors_as_it_may_have_counts_right(tmp_path: Path, program: GoProgram) -> None:
    with watched_by(tmp_path, program, by=("prlimit", "--nofile=256:256", GOSONDE)) as agent:
        eventually(lambda: agent.counted(program.pid) >= 0)
        program.ask("run 1000")
        eventually(lambda: agent.counted(program.pid) == 1000)


def test_a_collector_with_few_descriptors_stores_what_an_agent_sends(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path, program=(*FEW, GOSONDE)) as collector:
        with AgentStream(collector.address) as stream:
            assert stream.observe(1, observation([(1, 5, 2)])) == 1
        with collector.client() as client:
            assert [row.created for row in client.sites()] == [5]


def test_two_agents_on_one_host_both_count_right(tmp_path: Path, program: GoProgram) -> None:
    with (
        CollectorProcess(tmp_path) as collector,
        watched_by(tmp_path / "one", program, collector.address) as one,
        watched_by(tmp_path / "two", program, collector.address) as two,
    ):
        both = (one, two)
        eventually(lambda: all(agent.counted(program.pid) >= 0 for agent in both))
        program.ask("run 1000")
        eventually(lambda: all(agent.counted(program.pid) == 1000 for agent in both))
        one.kill()
        program.ask("run 1000")
        eventually(lambda: two.counted(program.pid) == 2000)
        eventually(lambda: delivers_its_own(two.listen))
        with collector.client() as client:
            eventually(lambda: [row.created for row in client.processes()] == [2000])


def test_an_agent_whose_state_folder_is_read_only_counts_right_and_says_so(tmp_path: Path, program: GoProgram) -> None:
    with watched_by(tmp_path, program, by=read_only(tmp_path / "state")) as agent:
        eventually(lambda: agent.counted(program.pid) >= 0)
        program.ask("run 1000")
        eventually(lambda: agent.counted(program.pid) == 1000)
        assert "Read-only file system" in agent.log.read_text()


def test_a_collector_whose_data_folder_is_read_only_ends_and_says_so(tmp_path: Path) -> None:
    command = [
        *read_only(tmp_path / "data"),
        "collector",
        "--data",
        tmp_path / "data",
        "--listen",
        f"unix:{tmp_path}/collector.sock",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "cannot open the store" in done.stderr
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr
