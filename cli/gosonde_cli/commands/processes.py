"""`gosonde processes`: what the collector knows of."""

from collections.abc import Iterator, Sequence

import typer
from gosonde.collector_client import CollectorClient, ProcessRow

from gosonde_cli import rendering
from gosonde_cli.commands.asking import (
    DEFAULT_ADDRESS,
    Collector,
    Host,
    Json,
    Pid,
)

COLUMNS = (
    "HOST",
    "PID",
    "EXECUTABLE",
    "GO",
    "STARTED",
    "LEVEL",
    "OVERHEAD",
    "CLOCK",
    "AGE",
    "CREATED",
    "EXITED",
    "LIVE",
)
#: Behind the age of what is stale.
STALE = "!"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(processes)


def processes(*, json: Json = False, collector: Collector = DEFAULT_ADDRESS, host: Host = "", pid: Pid = 0) -> None:
    """List the Go processes that the collector knows, the running ones first."""
    with CollectorClient(collector) as client:
        rows = client.processes(host, pid)
    if json:
        rendering.print_json(rows)
    else:
        rendering.print_table(COLUMNS, map(_cells, rows), "The collector knows no such process: does an agent feed it?")
        for line in _legend(rows):
            typer.echo(line)


def _legend(rows: Sequence[ProcessRow]) -> Iterator[str]:
    """What the marks in the table mean, as far as they are there."""
    if any(row.stale for row in rows):
        yield f"{STALE} stale: no observation has come since; the numbers are of then, and the process may have ended"
    if not all(map(_is_exact, rows)):
        yield rendering.ABOUT_MEANS
    if any(row.sums for row in rows):
        yield "xN sums N processes of one file that ended before they were seen to run; the pid is the first one's"


def _is_exact(row: ProcessRow) -> bool:
    """Whether the sums over all its go statements are."""
    return row.precise or row.level == rendering.SAMPLED


def _cells(row: ProcessRow) -> tuple[object, ...]:
    numbers = row.created, row.exited, row.live
    return (
        row.host,
        f"{row.pid} x{row.sums:,}" if row.sums else str(row.pid),
        row.exe,
        row.go_version,
        rendering.moment(row.started_unix_nano),
        row.level if _is_exact(row) else f"{row.level} (not precise)",
        f"{row.overhead_percent:.2f} %",
        f"{row.clock_offset_ns / 1e9:+.3f} s",
        f"{rendering.duration(row.age_ns)}{' ' + STALE if row.stale else ''}",
        *(numbers if _is_exact(row) else map(rendering.About, numbers)),
    )
