"""`gosonde timers`: the timers of a process that have not fired yet, read from its memory without stopping it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from gosonde_cli import here
from gosonde_cli.importing import needing, soon
from gosonde_cli.options import Function
from gosonde_cli.rendering import About, Figure, cell, counted, duration_figure, size
from gosonde_cli.tables.asked import AskedOfList, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import show
from gosonde_cli.tables.table import Row, Table

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.target import Target
    from gosonde_common.values.timers import PendingTimers, TimerGroup

COLUMNS = (
    Column("PENDING"),
    Column("NEXT IN", rank=1),
    Column("EVERY", rank=2),
    Column("CALLBACK", Kind.FUNCTION),
    Column("WAITS IN", Kind.FUNCTION),
    Column("KEEPS", rank=3),
    Column("KIND", rank=4),
)
NOTHING = "-"


@dataclass(frozen=True)
class AskedOfTimers(AskedOfList):
    """Which timers."""

    function: Function = ""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, timers, AskedOfTimers)


def timers(asked: AskedOfTimers) -> None:
    """List the timers of a process that have not fired yet: what they call, and who waits for them."""
    with _opened(here.pid_of(asked.which)) as target:
        from gosonde_agent.sources.memory.timers.listing import read_timers  # noqa: PLC0415 - some hosts have no agent

        show(lambda: table(read_timers(target), asked.function), asked)


def table(found: "PendingTimers", function: str = "") -> Table:
    """The groups, the largest first, and what is not known; those alone in which one function is named like that."""
    groups = [group for group in found.groups if function in group.callback or function in group.waits_in]
    rows = [Row(_cells(group, is_sample=found.each_stands_for > 1), asdict(group)) for group in groups]
    about = "about " if found.each_stands_for > 1 else ""
    notes = [f"{about}{counted(found.pending, 'pending timer')} in all"] if found.groups else []
    empty = "No such timer is pending." if found.groups else "No timer is pending."
    return Table(COLUMNS, rows, empty, notes, list(gaps(found)))


def _cells(group: "TimerGroup", *, is_sample: bool) -> tuple[object, ...]:
    kept = group.retained_heap_bytes
    return (
        About(group.pending) if is_sample else group.pending,
        duration_figure(group.next_in_ns),
        Figure(0, NOTHING) if group.period_ns is None else duration_figure(group.period_ns),
        group.callback,
        group.waits_in or NOTHING,
        Figure(-1, NOTHING) if kept is None else Figure(kept, size(kept)),
        group.kind.value,
    )


def gaps(found: "PendingTimers") -> Iterator[str]:
    """What is not known of them, in sentences."""
    if found.each_stands_for > 1:
        yield f"numbers are estimates: one timer in {found.each_stands_for:.1f} was read, because there are so many"
    if found.changing:
        yield f"not counted: {counted(found.changing, 'timer')} that changed each time while being read"
    if found.unproved:
        yield (
            f"not counted: {counted(found.unproved, 'timer')} of channels that nobody waits for, made since the last "
            "garbage collection: the program may have forgotten them"
        )
    if found.heap_unread:
        yield (
            "not known: what timers keep, and since Go 1.23 timers of channels that nobody waits for: "
            f"{cell(found.heap_unread)}"
        )


@contextmanager
def _opened(pid: int) -> "Iterator[Target]":
    with needing("agent"), soon():
        from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415
    with opened(pid) as target:
        yield target
