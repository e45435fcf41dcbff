"""`gosonde sites`: goroutines created and exited by `go` statement."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

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
            rendering.print_json([_document(row) for row in rows])
            return
        processes = client.processes(host, pid)
    imprecise = {(row.host, row.pid) for row in processes if not row.precise and row.level != rendering.SAMPLED}
    sampled = {(row.host, row.pid) for row in processes if row.level == rendering.SAMPLED}
    rendering.print_table(
        COLUMNS, table(rows, imprecise, sampled), "The collector knows no go statement of such a process."
    )
    for line in legend(rows, imprecise, sampled):
        typer.echo(line)


def _document(row: SiteRow) -> dict[str, Any]:
    """Without the keys of what is not estimated."""
    return {key: value for key, value in asdict(row).items() if value is not None}


#: Hosts and pids of processes.
Pids = Collection[tuple[str, int]]


def table(rows: Sequence[SiteRow], imprecise: Pids, sampled: Pids) -> Iterator[tuple[object, ...]]:
    """Cells below COLUMNS. Over all rows of a process they add up to its totals: what is shared stands with its row."""
    for row in rows:
        of = row.host, row.process.pid
        live = rendering.About(row.live) if of in imprecise else row.live
        is_about = of in imprecise or of in sampled or _is_estimated(row)
        turnover = map(rendering.About, _turnover(row)) if is_about else _turnover(row)
        place = f"{row.file}:{row.line}" if row.file else "-" if row.function else "?"
        yield (live, *turnover, row.function or "?", place, row.host, str(row.process.pid), row.process.exe)


def _turnover(row: SiteRow) -> tuple[int, int]:
    """Created and exited, with what is estimated of them, and without what other rows have of them."""
    created, exited = row.created, row.exited
    if found := row.estimated:
        created, exited = created + found.created, exited + found.exited
    if shared := row.shared:
        created, exited = max(created - shared.created, 0), max(exited - shared.exited, 0)
    return created, exited


def legend(rows: Sequence[SiteRow], imprecise: Pids, sampled: Pids) -> Iterator[str]:
    """What the mark before numbers means, as far as it is there."""
    shown = {(row.host, row.process.pid) for row in rows}
    if shown & set(sampled) or any(map(_is_estimated, rows)):
        yield rendering.ESTIMATED_MEANS
    if shown & set(imprecise):
        yield rendering.ABOUT_MEANS


def _is_estimated(row: SiteRow) -> bool:
    return row.estimated is not None or row.shared is not None
