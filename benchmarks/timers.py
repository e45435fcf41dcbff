"""What it takes to read the pending timers of a process, by how many there are."""

import time
from collections.abc import Iterator
from typing import Final

from gosonde_agent.sources.memory.target import Target, opened
from gosonde_agent.sources.memory.timers.listing import read_timers

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

#: Of each of the three kinds that the program makes.
COUNTS: Final = (1_000, 30_000, 300_000)


def timers(effort: Effort) -> Iterator[Row]:
    """CPU seconds of one reading; what is found out only once has been."""
    for count in COUNTS if effort.thorough else COUNTS[:2]:
        with GoProgram(build("timed/callbacks"), str(count)) as program, opened(program.pid) as target:
            pending = read_timers(target).pending
            seconds = tuple(_seconds(target) for _ in range(effort.rounds))
        yield Row("timers", "gosonde timers", "CPU s", seconds, pending, "timers")


def _seconds(target: Target) -> float:
    began = time.thread_time()
    read_timers(target)
    return time.thread_time() - began
