"""`gosonde processes`: what the collector knows of."""

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

COLUMNS = ("HOST", "PID", "EXECUTABLE", "GO", "STARTED", "LEVEL", "OVERHEAD", "CLOCK", "CREATED", "EXITED", "LIVE")


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


def _cells(row: ProcessRow) -> tuple[object, ...]:
    return (
        row.host,
        str(row.pid),
        row.exe,
        row.go_version,
        rendering.moment(row.started_unix_nano),
        row.level if row.precise else f"{row.level} (not precise)",
        f"{row.overhead_percent:.2f} %",
        f"{row.clock_offset_ns / 1e9:+.3f} s",
        row.created,
        row.exited,
        row.live,
    )
