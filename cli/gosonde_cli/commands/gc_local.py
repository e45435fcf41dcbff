"""`gosonde gc PID`: what the runtime of one process on this host knows of its collections."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gosonde_common import foreign
from gosonde_common.errors import NotFoundError

from gosonde_cli import rendering
from gosonde_cli.importing import needing
from gosonde_cli.tables import showing
from gosonde_cli.tables.asked import AskedOfList
from gosonde_cli.tables.columns import Column
from gosonde_cli.tables.table import Row, Table

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.target import Target
    from gosonde_common.values.gc import GcFigures, LastCycle

COLUMNS = (Column("STOPPED"), Column("CYCLE"), Column("ENDED"))
MIB = 1 << 20


def show(pid: int, asked: AskedOfList) -> None:
    """Prints the figures, and the stops of the newest cycles."""
    with _opened(pid) as target:
        showing.show(lambda: table(target.gc(), asked.limit), asked)


def table(figures: "GcFigures", limit: int) -> Table:
    """The stops of the newest cycles, below the figures."""
    rows = [
        Row((rendering.duration_figure(p.duration_ns), p.cycle, rendering.moment_figure(p.end_unix_nano)), asdict(p))
        for p in newest(figures, limit)
    ]
    before = [rendering.cell(line) for line in _summary(figures)]
    document = as_document(figures, limit)
    return Table(COLUMNS, rows, "No cycle has ended yet.", before=before, document=document, rows_in="pauses")


def follow(pid: int, *, json: bool) -> None:
    """Prints each cycle when it has ended, until the process does."""
    with _opened(pid) as target:
        try:
            for cycle in target.gc_cycles():
                print(foreign.dumps(cycle_document(cycle)) if json else foreign.shown(cycle.gctrace()), flush=True)  # noqa: T201
        except (NotFoundError, KeyboardInterrupt):
            return


def as_document(figures: "GcFigures", limit: int) -> dict[str, Any]:
    """The JSON form; docs/json.md describes it. What is off or not known is null."""
    off = {
        name: value if (value := getattr(figures, name)) >= 0 else None
        for name in ("heap_goal_bytes", "gc_percent", "memory_limit_bytes")
    }
    return {
        "cycles": figures.cycles,
        "forced_cycles": figures.forced_cycles,
        "pause_total_ns": figures.pause_total_ns,
        "heap_live_bytes": figures.heap_live_bytes,
        **off,
        "cpu_fraction": figures.cpu_fraction,
        "pauses": [asdict(pause) for pause in newest(figures, limit)],
        "last_cycle": cycle_document(figures.last) if figures.last else None,
    }


def cycle_document(cycle: "LastCycle") -> dict[str, Any]:
    """The JSON form of a cycle."""
    return {**asdict(cycle), "start_ns": cycle.start_ns if cycle.start_ns >= 0 else None, "gctrace": cycle.gctrace()}


def newest(figures: "GcFigures", limit: int) -> list[Any]:
    """The stops of the newest cycles, newest first."""
    return list(figures.pauses[::-1][:limit])


def _summary(figures: "GcFigures") -> Iterator[str]:
    stopped = rendering.duration(figures.pause_total_ns)
    yield (
        f"{rendering.counted(figures.cycles, 'cycle')}, {figures.forced_cycles:,} forced; {stopped} of "
        f"stop-the-world pauses, {figures.cpu_fraction:.2%} of the CPU time"
    )
    goal = f"{figures.heap_goal_bytes / MIB:,.1f} MiB" if figures.heap_goal_bytes >= 0 else "none"
    percent = str(figures.gc_percent) if figures.gc_percent >= 0 else "off"
    limit = f"{figures.memory_limit_bytes / MIB:,.1f} MiB" if figures.memory_limit_bytes >= 0 else "none"
    yield f"heap {figures.heap_live_bytes / MIB:,.1f} MiB, goal {goal}; GOGC {percent}, memory limit {limit}"
    if figures.last:
        yield figures.last.gctrace()


@contextmanager
def _opened(pid: int) -> "Iterator[Target]":
    with needing("agent"):
        from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415
    with opened(pid) as target:
        yield target
