"""`gosonde audit`: who has changed what is probed, pulled or reloaded."""

from dataclasses import dataclass
from typing import Annotated

import typer
from gosonde.collector_client import AuditRow, CollectorClient
from gosonde_common.durations import seconds

from gosonde_cli import rendering
from gosonde_cli.tables import known
from gosonde_cli.tables.asked import AskedOfCollector, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import show
from gosonde_cli.tables.table import Row, Table

COLUMNS = (
    Column("AGE"),
    Column("ACT"),
    Column("WHO", Kind.TEXT),
    Column("PID", rank=1),
    Column("EXE", Kind.PATH, 2),
    Column("HOST", Kind.TEXT, 3, "host"),
    Column("DETAIL", Kind.TEXT, 4),
    Column("WHEN", rank=5),
)
#: Events that are shown unless another number is asked for, and those that a collector gives at most.
EVENTS, MOST_EVENTS = 100, 10_000
MOST_SECONDS = 366 * 86_400.0
EMPTY = "The collector has stored no such act in that time."


@dataclass(frozen=True)
class AskedOfAudit(AskedOfCollector):
    """How far back, and for how much."""

    limit: Annotated[int, typer.Option(metavar="N", min=1, max=MOST_EVENTS, help="Show at most N acts.")] = EVENTS
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="Only what the collector stored in this time: 90s, 30m, 24h.")
    ] = "24h"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, audit, AskedOfAudit)


def audit(asked: AskedOfAudit) -> None:
    """List who has changed what is probed, pulled or reloaded, newest first."""
    since_ns = round(seconds("--since", asked.since, MOST_SECONDS) * 1e9)
    with CollectorClient(asked.collector) as client:
        show(lambda: _read(client, asked, since_ns), asked)


def _read(client: CollectorClient, asked: AskedOfAudit, since_ns: int) -> Table:
    """Names of executables are compared here, so that all that the collector gives is asked for."""
    pid = known.pid_of(asked.which)
    by_name = bool(asked.exe or (asked.which and not pid))
    limit = MOST_EVENTS if by_name or asked.sort else asked.limit
    found = client.audit(asked.host, pid, since_ns, limit)
    rows = [Row(_cells(row), row) for row in known.of(asked, found)]
    notes = []
    if len(found) == limit:
        notes.append(f"there may be more: only the newest {rendering.counted(limit, 'act')} were looked at")
    return Table(COLUMNS, rows, EMPTY, notes)


def _cells(row: AuditRow) -> tuple[object, ...]:
    return (
        rendering.duration_figure(row.age_ns),
        row.act,
        f"{row.actor} {row.who}".rstrip(),
        rendering.Figure(row.process.pid, str(row.process.pid or "-")),
        row.process.exe or "-",
        row.host or "-",
        row.detail,
        rendering.moment_figure(row.at_unix_nano),
    )
