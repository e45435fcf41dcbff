"""`gosonde gc`: the garbage collector's cycles and the stops that lie in them."""

from typing import Annotated

import typer
from gosonde.collector_client import CollectorClient, GcRow, Pause
from gosonde_common.errors import UsageError

from gosonde_cli import rendering
from gosonde_cli.commands import gc_local
from gosonde_cli.commands.asking import (
    DEFAULT_ADDRESS,
    Collector,
    Host,
    Json,
    Pid,
)

COLUMNS = ("HOST", "PID", "CYCLE", "BEGAN", "STOPPED", "STOPS", "HEAP", "EXECUTABLE")
MIB = 1 << 20
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="The newest N cycles of each process.")]
Here = Annotated[int, typer.Argument(metavar="[PID]", min=0, help="Read this process's memory, and ask no collector.")]
Follow = Annotated[bool, typer.Option("--follow", help="With PID: a line for each cycle, as gctrace prints it.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(gc)


def gc(
    here: Here = 0,
    *,
    json: Json = False,
    follow: Follow = False,
    collector: Collector = DEFAULT_ADDRESS,
    host: Host = "",
    pid: Pid = 0,
    limit: Limit = 100,
) -> None:
    """List GC cycles, the newest first, with every stop-the-world pause in them.

    With PID, the runtime's own figures of a process on this host, read from its memory without stopping it.
    """
    if here and (host or pid or collector != DEFAULT_ADDRESS):
        raise UsageError("PID reads a process on this host; --collector, --host and --pid ask a collector")
    if follow and not here:
        raise UsageError("--follow needs a PID: it reads a process on this host")
    if here:
        gc_local.follow(here, json=json) if follow else gc_local.show(here, limit, json=json)
        return
    with CollectorClient(collector) as client:
        rows = client.gc(host, pid, limit)
    if json:
        rendering.print_json(rows)
    else:
        rendering.print_table(COLUMNS, map(_cells, rows), "The collector knows no GC cycle of such a process.")


def _cells(row: GcRow) -> tuple[object, ...]:
    stopped = rendering.duration(sum(pause.duration_ns for pause in row.pauses))
    stops = ", ".join(map(_stop, row.pauses)) or "none seen"
    began = rendering.moment(row.start_unix_nano)
    return (row.host, str(row.process.pid), row.cycle, began, stopped, stops, _heap(row), row.process.exe)


def _heap(row: GcRow) -> str:
    """As gctrace writes it."""
    sizes = (row.heap_before_bytes, row.heap_after_bytes, row.heap_marked_bytes)
    if None in sizes:
        return ""
    goal = f"{row.heap_goal_bytes / MIB:,.1f} MiB" if row.heap_goal_bytes else "none"
    return f"{' -> '.join(f'{(size or 0) / MIB:,.1f}' for size in sizes)} MiB, goal {goal}"


def _stop(pause: Pause) -> str:
    return f"{pause.reason or 'stop'} {rendering.duration(pause.duration_ns)}"
