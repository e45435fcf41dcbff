"""`gosonde snapshot`: have the goroutines of a process read, or their leaks proved, by the agent of its host."""

from dataclasses import asdict
from typing import Annotated, Final

import typer
from gosonde.collector_client import SNAPSHOT_KINDS, CollectorClient
from gosonde.proofs import Searched
from gosonde_common.errors import UsageError

from gosonde_cli import rendering
from gosonde_cli.commands.asking import (
    DEFAULT_ADDRESS,
    Collector,
    Json,
    snapshot_line,
)
from gosonde_cli.proof_text import search_lines

PROOF: Final = "proof"
KINDS: Final = (*SNAPSHOT_KINDS, PROOF)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(snapshot)


def snapshot(
    *,
    host: Annotated[str, typer.Option(metavar="H", help="The host of the process, as gosonde processes names it.")],
    pid: Annotated[int, typer.Option(metavar="N", min=1, max=(1 << 32) - 1, help="The process.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help=f"What from: {', '.join(KINDS)}.")] = "memory",
    json: Json = False,
    collector: Collector = DEFAULT_ADDRESS,
) -> None:
    """Have the agent of a host read every goroutine of a process, fetch a profile from it, or prove what leaks."""
    if kind not in KINDS:
        raise UsageError(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
    with CollectorClient(collector) as client:
        if kind == PROOF:
            _show(client.prove(host, pid), json=json)
            return
        taken = client.take_snapshot(host, pid, kind)
    if json:
        rendering.print_json(taken)
    else:
        rendering.console().print(rendering.cell(snapshot_line(taken)), markup=False)


def _show(searched: Searched, *, json: bool) -> None:
    if json:
        rendering.print_json(_document(searched))
        return
    out = rendering.console()
    for line in search_lines(searched):
        out.print(line, markup=False)


def _document(searched: Searched) -> dict[str, object]:
    """As docs/json.md describes it."""
    found = searched.outcome
    return {**asdict(found), "held": found.held, "age_ns": searched.age_ns, "sites": list(searched.sites)}
