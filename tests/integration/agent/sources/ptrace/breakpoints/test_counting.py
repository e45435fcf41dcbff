"""What breakpoints count is what the program counts itself, whatever else happens to it."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests import toolchains
from tests.go_programs import GoProgram, site_line
from tests.integration.agent.sources.ptrace.breakpoints.sessions import by_line, session, wait_for_hits

#: How often each is tried.
RUNS = 20 if os.environ.get("GOSONDE_SOURCES") == "full" else 1
StartProgram = Callable[..., GoProgram]


@pytest.fixture(params=range(RUNS))
def run() -> None:
    """Has a test run so often."""


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("procs", [1, 2])
def test_counts_are_the_programs_own_while_everything_happens_to_it(go_program: StartProgram, procs: int) -> None:
    program = go_program("stressed", env={"GOMAXPROCS": str(procs)})
    with session(program.pid) as found:
        found.arm(600.0)
        program.ask("start 150")
        for _ in range(10):
            wait_for_hits(found, 10)
            os.kill(program.pid, signal.SIGUSR1)
            os.kill(program.pid, signal.SIGSTOP)
            time.sleep(0.01)
            os.kill(program.pid, signal.SIGCONT)
        own = program.ask("stop")
        found.disarm()
        assert found.over is None
        lines = by_line(program.pid, found)
        for marker in ("first", "second", "thread"):
            assert own[marker] > 0
            assert lines[site_line("stressed", marker)] == (own[marker], own[marker])
        for marker in ("create", "churnThreads", "churnChildren", "turn"):
            assert lines[site_line("stressed", marker)] == (1, 1)
        assert own["children"] > 0
        assert own["wrong"] == 0
        assert not any(found.table.losses().values())
    assert program.ask("stop")["wrong"] == 0


@pytest.mark.parametrize("version", toolchains.VERSIONS)
def test_every_version_of_go_is_counted(go_program: StartProgram, version: str) -> None:
    program = go_program("churn", version=version)
    with session(program.pid) as found:
        found.arm(60.0)
        program.ask("run 500")
        found.disarm()
        assert by_line(program.pid, found)[site_line("churn", "spawn")] == (500, 500)
    assert program.ask("run 500")["exited"] == 500


@pytest.mark.parametrize("flags", [{"buildmode": "pie"}, {"ldflags": ("-s", "-w")}])
def test_a_binary_that_is_moved_or_stripped_is_counted(go_program: StartProgram, flags: dict[str, object]) -> None:
    program = go_program("churn", **flags)
    with session(program.pid) as found:
        found.arm(60.0)
        program.ask("run 500")
        found.disarm()
        assert by_line(program.pid, found)[site_line("churn", "spawn")] == (500, 500)


@pytest.mark.usefixtures("run")
def test_windows_come_and_go_while_goroutines_are_made(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        program.send("run 2000000")
        for _ in range(20):
            found.arm(10.0)
            time.sleep(0.005)
            found.disarm()
        assert program.answer()["sum"] == 2_000_000 * 1_999_999 // 2
        created, exited = by_line(program.pid, found)[site_line("churn", "spawn")]
        assert 0 < created <= 2_000_000
        assert 0 < exited <= 2_000_000
