"""`gosonde timers`: the timers of a process that have not fired yet, read from its memory without stopping it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from gosonde_common.errors import UsageError

from gosonde_cli import here
from gosonde_cli.options import Exe, Function, Host
from gosonde_cli.rendering import About, Figure, cell, counted, duration, duration_figure, pid_figure, size
from gosonde_cli.tables.asked import AskedOfCollector, AskedOfList, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import show
from gosonde_cli.tables.table import Row, Table

if TYPE_CHECKING:
    from gosonde.collector_client import CollectorClient, TimersRow
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


#: Behind these, where several processes are shown.
OF_PROCESSES = (
    Column("HOST", Kind.TEXT, 5, "host"),
    Column("PID", rank=6, shared="pid"),
    Column("EXE", Kind.PATH, 7, "executable"),
)


@dataclass(frozen=True)
class AskedOfTimers(AskedOfList):
    """Which timers.

    Raises:
        UsageError: A host or an executable is named without a collector, or no process with neither.
    """

    function: Function = ""
    exe: Exe = ""
    host: Host = ""
    collector: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Show what this collector knows instead of a process of this host."),
    ] = ""

    def __post_init__(self) -> None:
        AskedOfList.__post_init__(self)
        if not self.collector and (self.host or self.exe):
            raise UsageError("--host and --exe choose among what a collector knows: give --collector HOST:PORT, too")

    @property
    def of_collector(self) -> AskedOfCollector:
        """What a collector is asked for."""
        return AskedOfCollector(process=self.which, exe=self.exe, host=self.host, collector=self.collector)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, timers, AskedOfTimers)


def timers(asked: AskedOfTimers) -> None:
    """List the timers of a process that have not fired yet: what they call, and who waits for them."""
    if asked.collector:
        from gosonde.collector_client import CollectorClient  # noqa: PLC0415 - it takes a while to import

        with CollectorClient(asked.collector) as client:
            show(lambda: _known(client, asked), asked)
        return
    with here.opened(here.pid_of(asked.which)) as target:
        from gosonde_agent.sources.memory.timers.listing import read_timers  # noqa: PLC0415 - some hosts have no agent

        show(lambda: table(read_timers(target), asked.function), asked)


def table(found: "PendingTimers", function: str = "") -> Table:
    """The groups, the largest first, and what is not known; those alone in which one function is named like that."""
    groups = [group for group in found.groups if _is_named(group, function)]
    rows = [Row(_cells(group, is_sample=found.each_stands_for > 1), asdict(group)) for group in groups]
    about = "about " if found.each_stands_for > 1 else ""
    notes = [f"{about}{counted(found.pending, 'pending timer')} in all"] if found.groups else []
    empty = "No such timer is pending." if found.groups else "No timer is pending."
    return Table(COLUMNS, rows, empty, notes, list(gaps(found)))


def _known(client: "CollectorClient", asked: AskedOfTimers) -> Table:
    from gosonde_cli.tables import known  # noqa: PLC0415 - as above

    of = asked.of_collector
    processes = known.selected(client.processes(), of.host, of.which, of.exe)
    rows = known.of(of, client.timers(of.host, known.pid_of(of.which)))
    missing = known.gaps(processes)
    return Table(
        (*COLUMNS, *OF_PROCESSES),
        [one for row in rows for one in _rows(row, asked.function)],
        "No such timer was pending when the processes were read last." if rows else "No timers have been read yet.",
        [f"Read {duration(min(ages))} to {duration(max(ages))} ago."] if (ages := [row.age_ns for row in rows]) else [],
        gaps=[*missing, *(gap for row in rows for gap in _gaps_of(row))],
    )


def _rows(row: "TimersRow", function: str) -> Iterator[Row]:
    owner = row.host, pid_figure(row.process.pid), row.process.exe
    of = {"host": row.host, "process": asdict(row.process), "read_unix_nano": row.read_unix_nano, "age_ns": row.age_ns}
    for group in row.found.groups:
        if _is_named(group, function):
            cells = _cells(group, is_sample=row.found.each_stands_for > 1)
            yield Row((*cells, *owner), {**asdict(group), **of})


def _is_named(group: "TimerGroup", function: str) -> bool:
    return function in group.callback or function in group.waits_in


def _gaps_of(row: "TimersRow") -> Iterator[str]:
    """What is not known of the timers of a process."""
    name = f"process {row.process.pid} on host {cell(row.host)}"
    if row.unread:
        yield f"{name}: not read: {cell(row.unread)}"
        return
    if row.other_groups:
        yield f"{name}: {counted(row.others, 'further timer')} in {counted(row.other_groups, 'smaller group')}"
    yield from (f"{name}: {gap}" for gap in gaps(row.found))


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
