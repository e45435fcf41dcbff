"""`gosonde snapshot`: have the goroutines of a process read, or their leaks proved, by the agent of its host."""

from dataclasses import asdict
from typing import Annotated, Final

import typer
from gosonde.collector_client import SNAPSHOT_KINDS, CollectorClient
from gosonde.proofs import Searched
from gosonde_common.addresses import COLLECTOR_ADDRESS
from gosonde_common.errors import UsageError

from gosonde_cli import here, rendering
from gosonde_cli.options import Collector, Host, Json, Pid, Process
from gosonde_cli.proof_text import search_lines
from gosonde_cli.snapshot_text import snapshot_line
from gosonde_cli.tables import known
from gosonde_cli.wrapping import Line, fitted

PROOF: Final = "proof"
KINDS: Final = (*SNAPSHOT_KINDS, PROOF)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(snapshot)


def snapshot(
    process: Process = "",
    *,
    pid: Pid = None,
    host: Host = "",
    kind: Annotated[str, typer.Option(metavar="KIND", help=f"What to take: {', '.join(KINDS)}.")] = "memory",
    json: Json = False,
    collector: Collector = COLLECTOR_ADDRESS,
) -> None:
    """Ask an agent to read all goroutines of a process, fetch its profile, or prove its leaks."""
    which = here.chosen(process, pid)
    if not which:
        raise UsageError("say which process: give its pid or its name; gosonde processes lists those that are known")
    if kind not in KINDS:
        raise UsageError(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
    with CollectorClient(collector) as client:
        target = known.the_one(client.processes(), host, which)
        if kind == PROOF:
            _show(client.prove(target.host, target.pid), json=json)
            return
        taken = client.take_snapshot(target.host, target.pid, kind)
    if json:
        rendering.print_json(taken)
    else:
        rendering.console().print(rendering.cell(snapshot_line(taken)), markup=False)


def _show(searched: Searched, *, json: bool) -> None:
    if json:
        rendering.print_json(_document(searched))
        return
    lines = (Line(line, " " * (len(line) - len(line.lstrip()) + 2)) for line in search_lines(searched))
    for line in fitted(lines, rendering.columns()):
        typer.echo(line)


def _document(searched: Searched) -> dict[str, object]:
    """As docs/json.md describes it."""
    found = searched.outcome
    return {**asdict(found), "held": found.held, "age_ns": searched.age_ns, "sites": list(searched.sites)}
