"""`gosonde gc`: the garbage collector's cycles and the stops that lie in them."""

from dataclasses import dataclass
from typing import Annotated

import typer
from gosonde.collector_client import CollectorClient, GcRow, Pause
from gosonde_common.addresses import COLLECTOR_ADDRESS
from gosonde_common.errors import UsageError

from gosonde_cli import here, rendering
from gosonde_cli.commands import gc_local
from gosonde_cli.tables import known
from gosonde_cli.tables.asked import AskedOfCollector, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import show
from gosonde_cli.tables.table import Row, Table

COLUMNS = (
    Column("STOPPED"),
    Column("CYCLE"),
    Column("BEGAN"),
    Column("HEAP", rank=4),
    Column("STOPS", Kind.TEXT, 5),
    Column("HOST", Kind.TEXT, 2, "host"),
    Column("PID", rank=1, shared="pid"),
    Column("EXE", Kind.PATH, 3, "executable"),
)
MIB = 1 << 20
#: Cycles that are shown unless another number is asked for.
CYCLES = 100


@dataclass(frozen=True)
class AskedOfGc(AskedOfCollector):
    """Whom to ask, and for how much."""

    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Show at most N cycles.")] = CYCLES
    here: Annotated[
        bool, typer.Option("--here", help="Read the memory of PROCESS on this host; needs no collector.")
    ] = False
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Like --here, but print one line for each cycle as it ends, as gctrace does."),
    ] = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, gc, AskedOfGc)


def gc(asked: AskedOfGc) -> None:
    """List GC cycles with their stop-the-world pauses, newest first.

    With --here, show the runtime's own GC figures, read from the memory of a
    process on this host without stopping it.
    """
    if asked.here or asked.follow:
        _here(asked)
        return
    with CollectorClient(asked.collector) as client:
        show(lambda: _read(client, asked), asked)


def _here(asked: AskedOfGc) -> None:
    if asked.host or asked.exe or asked.collector != COLLECTOR_ADDRESS:
        raise UsageError("--here and --follow read a process of this host: without --host, --exe and --collector")
    if asked.follow and (asked.sort or asked.watch or asked.limit != CYCLES):
        raise UsageError("--follow prints each cycle as it ends: without --sort, --limit and --watch")
    pid = here.pid_of(asked.which)
    if asked.follow:
        gc_local.follow(pid, json=asked.json)
    else:
        gc_local.show(pid, asked)


def _read(client: CollectorClient, asked: AskedOfGc) -> Table:
    processes = known.selected(client.processes(), asked.host, asked.which, asked.exe)
    rows = known.of(asked, client.gc(asked.host, known.pid_of(asked.which), asked.limit))
    empty = "No GC cycle of such a process is known."
    return Table(COLUMNS, [Row(_cells(row), row) for row in rows], empty, gaps=list(known.gaps(processes)))


def _cells(row: GcRow) -> tuple[object, ...]:
    return (
        rendering.duration_figure(sum(pause.duration_ns for pause in row.pauses)),
        rendering.Figure(-1, "-") if row.cycle is None else row.cycle,
        rendering.moment_figure(row.start_unix_nano),
        _heap(row),
        ", ".join(map(_stop, row.pauses)) or "none seen",
        row.host,
        rendering.pid_figure(row.process.pid),
        row.process.exe,
    )


def _heap(row: GcRow) -> str:
    """As gctrace writes it."""
    sizes = (row.heap_before_bytes, row.heap_after_bytes, row.heap_marked_bytes)
    if None in sizes:
        return "-"
    goal = f"{row.heap_goal_bytes / MIB:,.1f} MiB" if row.heap_goal_bytes else "none"
    return f"{' -> '.join(f'{(size or 0) / MIB:,.1f}' for size in sizes)} MiB, goal {goal}"


def _stop(pause: Pause) -> str:
    return f"{pause.reason or 'stop'} {rendering.duration(pause.duration_ns)}"
