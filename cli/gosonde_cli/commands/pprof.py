"""`gosonde pprof`: hand the collector what pprof knows."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from gosonde.collector_client import CollectorClient
from gosonde_common.errors import InvalidInputError

from gosonde_cli import rendering
from gosonde_cli.commands._asking import (
    DEFAULT_ADDRESS,
    Collector,
    Json,
    snapshot_line,
)

pprof = typer.Typer(no_args_is_help=True, help="Hand the collector profiles of pprof.")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.add_typer(pprof, name="pprof")


@pprof.callback()
def group() -> None:
    """Keeps `push` a subcommand while it is the only one."""


@pprof.command()
def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The profile, of any format; - reads standard input.")],
    *,
    host: Annotated[str, typer.Option(metavar="H", help="The host of the process, as gosonde processes names it.")],
    pid: Annotated[int, typer.Option(metavar="N", min=1, max=(1 << 32) - 1, help="The process.")],
    json: Json = False,
    collector: Collector = DEFAULT_ADDRESS,
) -> None:
    """Push a profile of /debug/pprof, gzip or not: goroutine, goroutineleak, heap, allocs, block or mutex.

    Goroutine and goroutineleak profiles may have debug=0, 1 or 2, the others debug=0.

    The time of a profile is the one it holds (debug=0 does), else when FILE was last written.
    """
    try:
        source = nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb")
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error
    with source as profile, CollectorClient(collector) as client:
        taken = file.stat().st_mtime_ns if file.is_file() else 0
        pushed = client.push_snapshot(profile, host, pid, taken)
    if json:
        rendering.print_json(pushed)
    else:
        rendering.console().print(snapshot_line(pushed), markup=False)
