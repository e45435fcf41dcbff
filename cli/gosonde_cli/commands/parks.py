"""`gosonde parks`: how often goroutines park, by wait reason."""

import math
from dataclasses import dataclass

import typer
from gosonde.collector_client import CollectorClient, ParkRow

from gosonde_cli import rendering
from gosonde_cli.options import State
from gosonde_cli.tables import known
from gosonde_cli.tables.asked import AskedOfCollector, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import Filters, show
from gosonde_cli.tables.table import Row, Table

COLUMNS = (
    Column("PARKS"),
    Column("WAIT REASON", Kind.TEXT),
    Column("IN", rank=4),
    Column("WINDOWS", rank=5),
    Column("HOST", Kind.TEXT, 2, "host"),
    Column("PID", rank=1, shared="pid"),
    Column("EXE", Kind.PATH, 3, "executable"),
)
#: An error above is reported as two numbers.
MOST_PERCENT = 50
EMPTY = "The collector knows no parks of such a process: they are counted where the agent has park = true."


@dataclass(frozen=True)
class AskedOfParks(AskedOfCollector):
    """Which wait reasons."""

    state: State = ""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, parks, AskedOfParks)


def parks(asked: AskedOfParks) -> None:
    """List how often goroutines parked, by wait reason, as estimates with their errors."""
    with CollectorClient(asked.collector) as client:
        show(lambda: _read(client, asked), asked, Filters(state=asked.state))


def _read(client: CollectorClient, asked: AskedOfParks) -> Table:
    processes = known.selected(client.processes(), asked.host, asked.which, asked.exe)
    rows = known.of(asked, client.parks(asked.host, known.pid_of(asked.which)))
    return Table(COLUMNS, [Row(_cells(row), row) for row in rows], EMPTY, gaps=list(known.gaps(processes)))


def _cells(row: ParkRow) -> tuple[object, ...]:
    parked, covered = rendering.Figure(row.parks, with_error(row)), rendering.duration_figure(row.covered_ns)
    pid = rendering.pid_figure(row.process.pid)
    return (parked, row.wait_reason, covered, row.windows, row.host, pid, row.process.exe)


def with_error(row: ParkRow) -> str:
    """The number as a person says it: "12,300 ± 4 %", "900 to 15,400" or "at least 12,300"."""
    if row.parks_high is None:
        return f"at least {row.parks_low:,}"
    error = max(row.parks_high - row.parks, row.parks - row.parks_low) / max(row.parks, 1)
    if error > MOST_PERCENT / 100:
        return f"{row.parks_low:,} to {row.parks_high:,}"
    return f"{row.parks:,} ± {math.ceil(100 * error)} %"
