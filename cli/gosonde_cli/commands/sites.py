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
            return
        imprecise = {(row.host, row.pid) for row in client.processes(host, pid) if not row.precise}
    cells = [_cells(row, is_precise=(row.host, row.process.pid) not in imprecise) for row in rows]
    rendering.print_table(COLUMNS, cells, "The collector knows no go statement of such a process.")
    if any((row.host, row.process.pid) in imprecise for row in rows):
        typer.echo(rendering.ABOUT_MEANS)


def _cells(row: SiteRow, *, is_precise: bool) -> tuple[object, ...]:
    place = f"{row.file}:{row.line}" if row.file else "-" if row.function else "?"
    process = row.process
    numbers = row.live, row.created, row.exited
    shown = numbers if is_precise else map(rendering.About, numbers)
    return (*shown, row.function or "?", place, row.host, str(process.pid), process.exe)
