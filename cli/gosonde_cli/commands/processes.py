"""`gosonde processes`: what the collector knows of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import typer
from gosonde.collector_client import CollectorClient, ProcessRow

from gosonde_cli import container_text, rendering
from gosonde_cli.options import State
from gosonde_cli.tables import known
from gosonde_cli.tables.asked import AskedOfContainers, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import Filters, show
from gosonde_cli.tables.table import Row, Table

COLUMNS = (
    Column("LIVE"),
    Column("PID"),
    Column("EXE", Kind.PATH),
    *container_text.COLUMNS,
    Column("LEVEL"),
    Column("AGE", rank=1),
    Column("HOST", Kind.TEXT, 2, "host"),
    Column("OVERHEAD", rank=3),
    Column("GO", rank=4),
    Column("SOURCE", rank=4),
    Column("CREATED", rank=5),
    Column("EXITED", rank=6),
    Column("STARTED", rank=7),
    Column("CLOCK", rank=8),
)
#: Why the level is what it is.
NO_PROBES = "no_probes"
#: Behind the age of what is stale.
STALE = "!"


@dataclass(frozen=True)
class AskedOfProcesses(AskedOfContainers):
    """At which levels."""

    state: State = ""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, processes, AskedOfProcesses)


def processes(asked: AskedOfProcesses) -> None:
    """List the Go processes that the collector knows, running ones first."""
    with CollectorClient(asked.collector) as client:
        show(lambda: _read(client, asked), asked, Filters(state=asked.state))


def _read(client: CollectorClient, asked: AskedOfProcesses) -> Table:
    rows = known.selected(client.processes(), asked.host, asked.which, asked.exe, asked.container)
    gaps = [] if rows else [*known.gaps(rows)]
    return Table(COLUMNS, [Row(_cells(row), row) for row in rows], "No process.", list(_legend(rows)), gaps=gaps)


def _legend(rows: Sequence[ProcessRow]) -> Iterator[str]:
    """What the marks in the table mean, as far as they are there."""
    if any(row.stale for row in rows):
        yield f"{STALE} stale: nothing has come since then; the numbers are old, and the process may have ended"
    if not all(map(_is_exact, rows)):
        yield rendering.ABOUT_MEANS
    reasons = {row.host: row.no_probes_because for row in rows if _has_no_probes(row)}
    for host, because in sorted(reasons.items()):
        why = rendering.cell(because) if because else "its agent may place none; `gosonde doctor` there says why"
        yield f"host {rendering.cell(host)}: no probes: {why}"
    if reasons:
        yield "without probes goroutines are not counted, but read from memory"
    if any(row.sums for row in rows):
        yield "xN: N short-lived processes of one file in one row, with the pid of the first"


def _has_no_probes(row: ProcessRow) -> bool:
    return bool(row.steps) and row.steps[-1].reason == NO_PROBES


def _is_exact(row: ProcessRow) -> bool:
    """Whether the sums over all its go statements are."""
    return row.precise or row.level == rendering.SAMPLED


def _level(row: ProcessRow) -> str:
    if _has_no_probes(row):
        return f"{row.level} (no probes)"
    return row.level if _is_exact(row) else f"{row.level} (not precise)"


def _cells(row: ProcessRow) -> tuple[object, ...]:
    numbers = row.live, row.created, row.exited
    live, created, exited = numbers if _is_exact(row) else map(rendering.About, numbers)
    return (
        live,
        rendering.Figure(row.pid, f"{row.pid} x{row.sums:,}" if row.sums else str(row.pid)),
        row.exe,
        *container_text.cells(row.container),
        _level(row),
        rendering.Figure(row.age_ns, f"{rendering.duration(row.age_ns)}{' ' + STALE if row.stale else ''}"),
        row.host,
        rendering.Figure(row.overhead_percent, f"{row.overhead_percent:.2f} %"),
        row.go_version,
        row.source or "-",
        created,
        exited,
        rendering.moment_figure(row.started_unix_nano),
        rendering.Figure(row.clock_offset_ns, f"{row.clock_offset_ns / 1e9:+.3f} s"),
    )
