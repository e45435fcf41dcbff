"""What a hit of a breakpoint takes: of the program's CPU, of the tracer's, and how long its thread stands."""

from collections.abc import Iterator

from gosonde_agent.host import procfs
from gosonde_agent.sources.ptrace.breakpoints.session import Session

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build
from tests.integration.agent.sources.ptrace.breakpoints.sessions import session

#: Goroutines of a run; each is hit twice.
GOROUTINES = 5_000
HITS = 2 * GOROUTINES
#: Longer than any run.
SECONDS = 600.0


def breakpoints(effort: Effort) -> Iterator[Row]:
    """Microseconds for each hit, beyond what the program takes without breakpoints."""
    with GoProgram(build("bench"), env={"GOMAXPROCS": "1"}) as program, session(program.pid) as found:
        measured = [_run(program, found) for _ in range(2 * effort.rounds)]
    for case, values in zip(("CPU, program", "CPU, tracer", "stands"), zip(*measured, strict=True), strict=True):
        yield Row("breakpoints", case, "us/hit", values)


def _run(program: GoProgram, found: Session) -> tuple[float, float, float]:
    without, _, alone = _taken(program, found)
    found.arm(SECONDS)
    taken, of_tracer, together = _taken(program, found)
    found.disarm()
    return (taken - without) / HITS, of_tracer / HITS, (together - alone) / HITS


def _taken(program: GoProgram, found: Session) -> tuple[float, float, float]:
    """us: CPU of the program, of the tracer, and in all."""
    before, tracer = procfs.cpu_ns(program.pid), procfs.cpu_ns(found.tracer.pid)
    elapsed_ns = program.ask(f"run {GOROUTINES}")["elapsed_ns"]
    return (
        (procfs.cpu_ns(program.pid) - before) / 1e3,
        (procfs.cpu_ns(found.tracer.pid) - tracer) / 1e3,
        elapsed_ns / 1e3,
    )
