"""`gosonde snapshot`: have the goroutines of a process read by the agent of its host."""

from typing import Annotated

import typer
from gosonde.collector_client import SNAPSHOT_KINDS, CollectorClient
from gosonde_common.errors import UsageError

from gosonde_cli import rendering
from gosonde_cli.commands.asking import (
    DEFAULT_ADDRESS,
    Collector,
    Json,
    snapshot_line,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(snapshot)


def snapshot(
    *,
    host: Annotated[str, typer.Option(metavar="H", help="The host of the process, as gosonde processes names it.")],
    pid: Annotated[int, typer.Option(metavar="N", min=1, max=(1 << 32) - 1, help="The process.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help=f"What from: {', '.join(SNAPSHOT_KINDS)}.")] = "memory",
    json: Json = False,
    collector: Collector = DEFAULT_ADDRESS,
) -> None:
    """Have the agent of a host read every goroutine of a process from its memory, or fetch a profile from it."""
    if kind not in SNAPSHOT_KINDS:
        raise UsageError(f"--kind: {kind!r} is none of {', '.join(SNAPSHOT_KINDS)}")
    with CollectorClient(collector) as client:
        taken = client.take_snapshot(host, pid, kind)
    if json:
        rendering.print_json(taken)
    else:
        rendering.console().print(rendering.cell(snapshot_line(taken)), markup=False)
