"""`gosonde parks`: how often goroutines park, by wait reason."""

import math

import typer
from gosonde.collector_client import CollectorClient, ParkRow

from gosonde_cli import rendering
from gosonde_cli.commands.asking import (
    DEFAULT_ADDRESS,
    Collector,
    Host,
    Json,
    Pid,
)

COLUMNS = ("PARKS", "WAIT REASON", "IN", "WINDOWS", "HOST", "PID", "EXECUTABLE")
#: An error above is reported as two numbers.
MOST_PERCENT = 50
EMPTY = "The collector knows no parks of such a process: they are counted where the agent has park = true."


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(parks)


def parks(*, json: Json = False, collector: Collector = DEFAULT_ADDRESS, host: Host = "", pid: Pid = 0) -> None:
    """List how often goroutines parked, by wait reason: estimates, each with its error."""
    with CollectorClient(collector) as client:
        rows = client.parks(host, pid)
    if json:
        rendering.print_json(rows)
    else:
        rendering.print_table(COLUMNS, map(_cells, rows), EMPTY)


def _cells(row: ParkRow) -> tuple[object, ...]:
    covered, process = rendering.duration(row.covered_ns), row.process
    return (with_error(row), row.wait_reason, covered, row.windows, row.host, str(process.pid), process.exe)


def with_error(row: ParkRow) -> str:
    """The number as a person says it: "12,300 ± 4 %", "900 to 15,400" or "at least 12,300"."""
    if row.parks_high is None:
        return f"at least {row.parks_low:,}"
    error = max(row.parks_high - row.parks, row.parks - row.parks_low) / max(row.parks, 1)
    if error > MOST_PERCENT / 100:
        return f"{row.parks_low:,} to {row.parks_high:,}"
    return f"{row.parks:,} ± {math.ceil(100 * error)} %"
