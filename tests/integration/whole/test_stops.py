"""A target, the agent, its helper or the collector is stopped for a while, as by a debugger: all goes on, and right.

`make test-attacks` sets GOSONDE_ATTACKS=full: for a minute each.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.collector_process import CollectorProcess, totals_of_all_runs
from tests.go_programs import GoProgram

FULL = os.environ.get("GOSONDE_ATTACKS") == "full"
STOPPED_SECONDS = 60.0 if FULL else 3.0
pytestmark = [pytest.mark.usefixtures("ebpf"), pytest.mark.timeout(600 if FULL else 240)]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process gets no CPU time while the block runs, and for so long as these tests say."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
        time.sleep(STOPPED_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)


@dataclass
class Scene:
    """A collector, an agent, and two programs that it watches, each with a go statement of its own."""

    collector: CollectorProcess
    agent: AgentProcess
    program: GoProgram
    other: GoProgram

    def counted(self, program: GoProgram, number: int) -> None:
        """Waits until the agent has counted so many goroutines of the program."""
        eventually(lambda: self.agent.counted(program.pid) == number)

    def stored(self, program: GoProgram, number: int) -> None:
        """Waits until the collector has so many of it."""
        eventually(lambda: totals_of_all_runs(self.collector.address).get(str(program.pid)) == [number, number])

    def right(self, number: int) -> None:
        """Waits until agent and collector have so many goroutines of both programs."""
        for program in (self.program, self.other):
            self.counted(program, number)
            self.stored(program, number)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "agent.toml").write_text('interval_seconds = 0.2\nmax_target_overhead = "off"\n')
    folder = tmp_path / "programs"
    folder.mkdir()
    copies = [Path(shutil.copy(go_programs.build("churn"), folder / name)) for name in ("program", "other")]
    with (
        CollectorProcess(tmp_path) as collector,
        GoProgram(copies[0]) as program,
        GoProgram(copies[1]) as other,
    ):
        agent = AgentProcess(tmp_path, collector.address, f"{folder}/*")
        try:
            scene = Scene(collector, agent, program, other)
            for each in (program, other):
                eventually(lambda each=each: agent.counted(each.pid) >= 0)  # type: ignore[misc]
                each.ask("run 1000")
            scene.right(1000)
            yield scene
            assert agent.process.poll() is None
        finally:
            agent.kill()


def test_a_target_that_stands_still_holds_up_nobody_else(scene: Scene) -> None:
    scene.program.send("run 100000")
    with stopped(scene.program.pid):
        scene.other.ask("run 1000")
        scene.counted(scene.other, 2000)
        scene.stored(scene.other, 2000)
    assert scene.program.answer()["exited"] == 100_000
    scene.counted(scene.program, 101_000)
    scene.stored(scene.program, 101_000)


def test_what_happens_while_the_agent_stands_still_is_counted(scene: Scene) -> None:
    with stopped(scene.agent.process.pid):
        for program in (scene.program, scene.other):
            assert program.ask("run 1000")["exited"] == 1000
    scene.right(2000)


def test_what_happens_while_the_helper_stands_still_is_counted(scene: Scene) -> None:
    with stopped(scene.agent.helper()):
        for program in (scene.program, scene.other):
            assert program.ask("run 1000")["exited"] == 1000
        scene.counted(scene.other, 2000)
    scene.right(2000)


def test_what_happens_while_the_collector_stands_still_arrives_afterwards(scene: Scene) -> None:
    with stopped(scene.collector.process.pid):
        for program in (scene.program, scene.other):
            assert program.ask("run 1000")["exited"] == 1000
            scene.counted(program, 2000)
    scene.right(2000)
