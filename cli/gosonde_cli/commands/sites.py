"""`gosonde sites`: goroutines created and exited by `go` statement."""

import typer
from gosonde.collector_client import CollectorClient, SiteRow

from gosonde_cli import rendering
from gosonde_cli.commands.asking import (
    DEFAULT_ADDRESS,
    Collector,
    Host,
    Json,
    Pid,
)

COLUMNS = ("LIVE", "CREATED", "EXITED", "GO STATEMENT IN", "AT", "HOST", "PID", "EXECUTABLE")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(sites)


def sites(*, json: Json = False, collector: Collector = DEFAULT_ADDRESS, host: Host = "", pid: Pid = 0) -> None:
    """List the go statements of every process, those with the most live goroutines first."""
    with CollectorClient(collector) as client:
        rows = client.sites(host, pid)
    if json:
        rendering.print_json(rows)
    else:
        rendering.print_table(COLUMNS, map(_cells, rows), "The collector knows no go statement of such a process.")


def _cells(row: SiteRow) -> tuple[object, ...]:
    place = f"{row.file}:{row.line}" if row.file else "-" if row.function else "?"
    process = row.process
    return (row.live, row.created, row.exited, row.function or "?", place, row.host, str(process.pid), process.exe)
