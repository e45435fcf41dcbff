"""`gosonde gc`: the garbage collector's cycles and the stops that lie in them."""

from typing import Annotated

import typer

from gosonde import rendering
from gosonde.collector_client import CollectorClient, GcRow, Pause
from gosonde.commands._asking import DEFAULT_ADDRESS, Collector, Host, Json, Pid

COLUMNS = ("HOST", "PID", "CYCLE", "BEGAN", "STOPPED", "STOPS", "EXECUTABLE")
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="The newest N cycles of each process.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(gc)


def gc(
    *,
    json: Json = False,
    collector: Collector = DEFAULT_ADDRESS,
    host: Host = "",
    pid: Pid = 0,
    limit: Limit = 100,
) -> None:
    """List GC cycles, the newest first, with every stop of the world in them."""
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
    return (row.host, str(row.process.pid), row.cycle, began, stopped, stops, row.process.exe)


def _stop(pause: Pause) -> str:
    return f"{pause.reason or 'stop'} {rendering.duration(pause.duration_ns)}"
