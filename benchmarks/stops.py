"""How long a process stands while its registers are taken, and what that takes of a CPU."""

import time
from collections.abc import Iterator

from gosonde_agent.sources.memory.target import Target, opened
from gosonde_agent.sources.ptrace.deadline import Deadline
from gosonde_agent.sources.ptrace.stopping import while_stopped
from gosonde_agent.sources.registers import Registers

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

#: Of the runtime's own, and with so many goroutines that each have a thread of their own.
LOCKED_THREADS = (0, 50, 200)
GOROUTINES = (1_000, 100_000)
#: For each round of other benchmarks.
STOPS = 20
#: So that a busy host shows what it does to a stop.
LONG = 10.0


def stops(effort: Effort) -> Iterator[Row]:
    """From the last thread that stands until all was taken, and the CPU seconds of a whole stop."""
    for threads in LOCKED_THREADS:
        with GoProgram(build("running/threads"), str(threads)) as program:
            yield from _rows(program, threads, "threads", effort)
    for goroutines in GOROUTINES:
        with GoProgram(build("parked"), str(goroutines)) as program:
            yield from _rows(program, goroutines, "goroutines", effort)


def _rows(program: GoProgram, count: int, unit: str, effort: Effort) -> Iterator[Row]:
    with opened(program.pid) as target:
        measured = [_stop(target) for _ in range(STOPS * effort.rounds)][1:]
    for case, values in zip(("stands", "taking alone", "CPU of a stop"), zip(*measured, strict=True), strict=True):
        yield Row("stops", f"{case}, by {unit}", "ms", values, count, unit)


def _stop(target: Target) -> tuple[float, float, float]:
    """ms: that the process stood, of them after its last thread did, and of a CPU."""
    taking: list[float] = []
    stood: list[float] = []

    def take(found: Registers, deadline: Deadline) -> None:
        began = time.monotonic()
        target.take(found, deadline.check)
        taking.append(time.monotonic() - began)
        stood.append(deadline.held_seconds)

    cpu = time.process_time()
    while_stopped(target.runtime.pid, take, LONG)
    return 1e3 * stood[0], 1e3 * taking[0], 1e3 * (time.process_time() - cpu)
