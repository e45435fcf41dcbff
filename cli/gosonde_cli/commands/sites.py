"""`gosonde sites`: goroutines created and exited by `go` statement."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import typer
from gosonde.collector_client import CollectorClient, SiteRow

from gosonde_cli import rates, rendering
from gosonde_cli.options import Function
from gosonde_cli.tables import known
from gosonde_cli.tables.asked import AskedOfCollector, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import Filters, show
from gosonde_cli.tables.table import Row, Table

COLUMNS = (
    Column("LIVE"),
    Column("CREATED/S", rank=4),
    Column("EXITED/S", rank=5),
    Column("FUNCTION", Kind.FUNCTION),
    Column("AT", Kind.PATH),
    Column("CREATED", rank=6),
    Column("EXITED", rank=7),
    Column("HOST", Kind.TEXT, 2, "host"),
    Column("PID", rank=1, shared="pid"),
    Column("EXE", Kind.PATH, 3, "executable"),
)


@dataclass(frozen=True)
class AskedOfSites(AskedOfCollector):
    """Which `go` statements."""

    function: Function = ""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, sites, AskedOfSites)


def sites(asked: AskedOfSites) -> None:
    """List the go statements of all processes, those with the most live goroutines first."""
    with CollectorClient(asked.collector) as client:
        show(lambda: _read(client, asked), asked, Filters(function=asked.function))


def _read(client: CollectorClient, asked: AskedOfSites) -> Table:
    processes = known.selected(client.processes(), asked.host, asked.which, asked.exe)
    rows = known.of(asked, client.sites(asked.host, known.pid_of(asked.which)))
    imprecise = {(row.host, row.pid) for row in processes if not row.precise and row.level != rendering.SAMPLED}
    sampled = {(row.host, row.pid) for row in processes if row.level == rendering.SAMPLED}
    cells = zip(table(rows, imprecise, sampled), map(_document, rows), strict=True)
    return Table(
        COLUMNS,
        [Row(*both) for both in cells],
        "No go statement of such a process is known yet.",
        list(legend(rows, imprecise, sampled)),
        gaps=list(known.gaps(processes)),
    )


def _document(row: SiteRow) -> dict[str, Any]:
    """Without the keys of what is not estimated."""
    return {key: value for key, value in asdict(row).items() if value is not None or key == "per_second"}


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
        per_second = asdict(row.per_second) if row.per_second else None
        each_second = (rates.figure(per_second, what, is_about=is_about) for what in rates.WHAT)
        pid = rendering.pid_figure(row.process.pid)
        yield (live, *each_second, row.function or "?", place, *turnover, row.host, pid, row.process.exe)


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
