"""A program that checks its own work finds nothing wrong, however often it is stopped, and whoever is killed then."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable

from gosonde_agent.snapshots.stopped import stopped_once
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.sources.ptrace.errors import NotStoppedError

from tests.go_programs import GoProgram
from tests.integration.agent.sources.ptrace.targets import state, tracer, wait_for

IS_LONG = os.environ.get("GOSONDE_SOURCES") == "full"
STOPS, KILLS = (1_000, 100) if IS_LONG else (10, 3)
StartProgram = Callable[..., GoProgram]
HOLDS = """
import sys, time
from gosonde_agent.sources.ptrace.stopping import while_stopped
def hold(*_):
    print('held', flush=True)
    time.sleep(600)
while_stopped(int(sys.argv[1]), hold, 30.0)
"""


def wait_for_another_round(program: GoProgram) -> None:
    """Returns when the program has done more right."""
    before = program.ask("rounds")["right"]
    wait_for(lambda: program.ask("rounds")["right"] > before)


def test_snapshots_in_a_row_of_a_program_under_load_change_nothing_that_it_sees(go_program: StartProgram) -> None:
    program = go_program("running/checked")
    taken = 0
    with opened(program.pid) as target:
        while taken < STOPS:
            with contextlib.suppress(NotStoppedError):  # a busy host costs tries
                list(target.ran(stopped_once(target)))
                taken += 1
    wait_for_another_round(program)
    assert program.ask("rounds")["wrong"] == 0


def test_a_program_works_on_when_who_holds_it_is_killed(go_program: StartProgram) -> None:
    program = go_program("running/checked")
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(program.pid)], stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert state(program.pid) == "t"
            holder.kill()
        wait_for(lambda: tracer(program.pid) == 0)
        wait_for_another_round(program)
    assert program.ask("rounds")["wrong"] == 0
