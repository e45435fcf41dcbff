"""What the end of a trace takes: the stacks of all goroutines, and the search for who can wake them."""

import time
from collections.abc import Iterator

from gosonde_cli.suspects.reading import Reading

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

GOROUTINES = (1_000, 10_000, 100_000)
#: For so long the process runs: longer than it is read.
RUNS_MS = 60_000


def verdicts(effort: Effort) -> Iterator[Row]:
    """By the clock and of a CPU: of a process at rest, and of one that creates goroutines as fast as it can."""
    for goroutines in GOROUTINES:
        for runs in (False, True):
            found = [_seconds(goroutines, runs=runs) for _ in range(effort.rounds)]
            of = "a running process" if runs else "a process at rest"
            for unit, values in zip(("s", "CPU s"), zip(*found, strict=True), strict=True):
                yield Row("verdict", f"verdict, {of}", unit, values, goroutines, "goroutines")


def _seconds(goroutines: int, *, runs: bool) -> tuple[float, float]:
    with GoProgram(build("parked"), str(goroutines)) as program:
        reading = Reading()
        reading.look_if_due(program.pid)
        if runs:
            program.send(f"spin {RUNS_MS}")
        began, cpu_began = time.monotonic(), time.process_time()
        reading.look_at_end(program.pid, lambda _text: None)
        return time.monotonic() - began, time.process_time() - cpu_began
