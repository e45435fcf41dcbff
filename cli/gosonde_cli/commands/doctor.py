"""`gosonde doctor`: what gosonde can do on this host, and how to get what it cannot."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from gosonde_agent.host import checks
from gosonde_common.errors import UsageError
from rich.table import Table
from rich.text import Text

from gosonde_cli import rendering
from gosonde_cli.commands.path_check import Step, steps
from gosonde_cli.commands.pprof_check import pprof_steps
from gosonde_cli.options import Json, Wide
from gosonde_cli.source_text import host_checks, on_host, said_of, source_document
from gosonde_cli.wrapping import Line, fitted

VERDICTS = {
    "full": "The agent can work here.",
    "memory": "The agent can work here by readings of memory alone: it can place no probes.",
    "": "The agent cannot work here.",
}
STYLES = {checks.Status.OK: "green", checks.Status.DEGRADED: "yellow", checks.Status.MISSING: "red"}


def register(app: typer.Typer) -> None:
    """Adds the subcommand."""
    app.command()(doctor)


def doctor(
    collector: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Check the connection to this collector instead of the host.")
    ] = "",
    pprof: Annotated[
        str,
        typer.Option(metavar="HOST:PORT|PID", help="Check who reaches these pprof handlers, and what they show."),
    ] = "",
    *,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Check what gosonde can do on this host, and how to fix the rest. Exits with 3 if anything is missing."""
    if collector and pprof:
        raise UsageError("--collector and --pprof check different things: give one of them")
    if collector or pprof:
        _show_steps(steps(collector) if collector else pprof_steps(pprof), wide=wide, as_json=as_json)
        return
    found = host_checks()
    if as_json:
        each = [asdict(check) for check in found]
        verdict = {"ready": checks.ready(found), "level": checks.level(found)}
        rendering.print_json({**verdict, "checks": each, "sources": _sources(found)})
    else:
        show(found, _sources(found), wide=wide)
    if not checks.ready(found):
        raise typer.Exit(3)


def _sources(found: Sequence[checks.Check]) -> list[dict[str, Any]]:
    """What `gosonde trace` can count by here; nothing where the agent's modules are not there."""
    try:
        return [source_document(source) for source in on_host(found)]
    except ImportError:
        return []


def _source_lines(sources: Sequence[dict[str, Any]]) -> Iterator[Line]:
    yield Line("`gosonde trace` uses the first source that is possible; ptrace only with --source ptrace:", "  ")
    for source in sources:
        said, limits = said_of(source)
        yield Line(f"  {source['source']}: {said}", " " * 4)
        yield from (Line(f"    {limit}", " " * 6) for limit in limits)


def _show_steps(found: Sequence[Step], *, wide: bool, as_json: bool) -> None:
    """Exit code 1 when a step fails."""
    ready = all(step.ok for step in found)
    if as_json:
        checks = [
            {"name": step.name, "status": "ok" if step.ok else "missing", "found": step.found, "remedy": step.remedy}
            for step in found
        ]
        rendering.print_json({"ready": ready, "checks": checks})
    else:
        for line in fitted(_step_lines(found), rendering.columns(wide=wide)):
            typer.echo(line)
    if not ready:
        raise typer.Exit(1)


def _step_lines(found: Sequence[Step]) -> Iterator[Line]:
    for step in found:
        yield Line(f"{step.name}: {'ok' if step.ok else 'failed'}: {step.found}", "  ")
        if step.remedy:
            yield Line(f"  {step.remedy}", "  ")


def show(found: Sequence[checks.Check], sources: Sequence[dict[str, Any]], *, wide: bool = False) -> None:
    """Prints what was found for people: a table of checks, then what to do, what that comes to, and the sources."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("check", "status", "found"):
        table.add_column(column, overflow="fold")
    for check in found:
        table.add_row(check.name, f"[{STYLES[check.status]}]{check.status}[/]", Text(rendering.cell(check.found)))
    out = rendering.console(wide=wide)
    out.print(table)
    for line in fitted(_lines(found, sources), rendering.columns(wide=wide)):
        typer.echo(line)


def _lines(found: Sequence[checks.Check], sources: Sequence[dict[str, Any]]) -> Iterator[Line | str]:
    for remedy in dict.fromkeys(check.remedy for check in found if check.remedy):
        names = ", ".join(check.name for check in found if check.remedy == remedy)
        yield from ("", Line(f"{names}: {remedy}.", "  "))
    yield from ("", Line(VERDICTS[checks.level(found)]))
    if sources:
        yield ""
        yield from _source_lines(sources)
