"""How often a program lives on when who counts it by breakpoints is killed with -9, at a random moment."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from gosonde_agent.host import procfs
from gosonde_agent.sources.ptrace.breakpoints.session import Session

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build
from tests.integration.agent.sources.ptrace.breakpoints.sessions import plan

#: Goroutines a second of the program.
RATES = (10, 100, 1_000)
#: Of a full measurement, in groups that each are a value.
KILLS, GROUPS = 100, 10
QUICK_KILLS = 10
#: How long the program works once it has breakpoints, and when somebody is killed at the latest.
WORK_MS, LATEST_SECONDS = 120, 0.1
#: More than breakpoints that were left would let pass.
GOROUTINES_AFTERWARDS = 200

Counter = Callable[[int], AbstractContextManager[int]]


def survival(effort: Effort) -> Iterator[Row]:
    """The part of the kills after which the program goes on and gets its work done, in percent."""
    kills = KILLS if effort.thorough else QUICK_KILLS
    for case, counter in (("the command is killed", _command), ("the tracer is killed", _tracer)):
        for rate in RATES:
            lived = list(_lived(rate, counter, kills))
            groups = [lived[first::GROUPS] for first in range(GROUPS)]
            yield Row("survival", case, "% alive", tuple(100 * sum(one) / len(one) for one in groups), rate, "per s")


def _lived(rate: int, counter: Counter, kills: int) -> Iterator[bool]:
    program = None
    nowhere = open(os.devnull, "wb")  # noqa: PTH123, SIM115 - for what a program says when it dies
    for _ in range(kills):
        program = program or GoProgram(build("bench"), stderr=nowhere).__enter__()
        lives = _lives(program, rate, counter)
        if not lives:
            program.kill()
            program = None
        yield lives
    if program is not None:
        program.kill()


def _lives(program: GoProgram, rate: int, counter: Counter) -> bool:
    with counter(program.pid) as victim:
        try:
            program.send(f"pace {rate} {WORK_MS} 0")
            time.sleep(random.uniform(0, LATEST_SECONDS))  # noqa: S311
            os.kill(victim, signal.SIGKILL)
            program.answer()
            return int(program.ask(f"run {GOROUTINES_AFTERWARDS}")["created"]) == GOROUTINES_AFTERWARDS
        except (RuntimeError, BrokenPipeError):
            return False


@contextmanager
def _tracer(pid: int) -> Iterator[int]:
    """The tracer that has put breakpoints into a process."""
    session = Session(plan(pid)[0])
    session.arm(60.0)
    try:
        yield session.tracer.pid
    finally:
        session.close()


@contextmanager
def _command(pid: int) -> Iterator[int]:
    """The one who has started it: a child of this process, so that nothing has to start for that long."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        session = Session(plan(pid)[0])
        session.arm(60.0)
        os.write(writer, str(session.tracer.pid).encode())
        signal.pause()
    tracer = int(os.read(reader, 16))
    try:
        yield child
    finally:
        os.waitpid(child, 0)
        while not procfs.has_ended(tracer, 0):
            time.sleep(0.001)
        os.close(reader)
        os.close(writer)
