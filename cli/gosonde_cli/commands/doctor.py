"""`gosonde doctor`: what gosonde can do on this host, and how to get what it cannot."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from gosonde_agent.host import checks
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gosonde_cli import rendering
from gosonde_cli.commands.path_check import steps
from gosonde_cli.source_text import on_host, said_of, source_document

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
        str, typer.Option(metavar="HOST:PORT", help="Check the way to this collector instead of the host.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check what gosonde can do on this host, and say how to get the rest; exit code 3 when that is too little."""
    if collector:
        _check_path(collector, as_json=as_json)
        return
    found = checks.checks()
    if as_json:
        each = [asdict(check) for check in found]
        verdict = {"ready": checks.ready(found), "level": checks.level(found)}
        rendering.print_json({**verdict, "checks": each, "sources": _sources(found)})
    else:
        _show(found)
        _show_sources(_sources(found))
    if not checks.ready(found):
        raise typer.Exit(3)


def _sources(found: Sequence[checks.Check]) -> list[dict[str, Any]]:
    """What `gosonde trace` can count by here; nothing where the agent's modules are not there."""
    try:
        return [source_document(source) for source in on_host(found)]
    except ImportError:
        return []


def _show_sources(sources: Sequence[dict[str, Any]]) -> None:
    console = Console(soft_wrap=False, highlight=False)
    console.print("\n`gosonde trace` counts by the first source that is possible, and by ptrace when it is asked for:")
    for source in sources:
        said, limits = said_of(source)
        console.print(f"  [bold]{source['source']}[/]: {escape(rendering.cell(said))}")
        for limit in limits:
            console.print(f"    {limit}")


def _check_path(address: str, *, as_json: bool) -> None:
    """Exit code 1 when a step fails."""
    found = steps(address)
    ready = all(step.ok for step in found)
    if as_json:
        checks = [
            {"name": step.name, "status": "ok" if step.ok else "missing", "found": step.found, "remedy": step.remedy}
            for step in found
        ]
        rendering.print_json({"ready": ready, "checks": checks})
    else:
        for step in found:
            typer.echo(f"{step.name}: {'ok' if step.ok else 'failed'}: {rendering.cell(step.found)}")
            if step.remedy:
                typer.echo(f"  {rendering.cell(step.remedy)}")
    if not ready:
        raise typer.Exit(1)


def _show(found: Sequence[checks.Check]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("check", "status", "found"):
        table.add_column(column, overflow="fold")
    for check in found:
        table.add_row(check.name, f"[{STYLES[check.status]}]{check.status}[/]", Text(rendering.cell(check.found)))
    console = Console(soft_wrap=False)
    console.print(table)
    for remedy in dict.fromkeys(check.remedy for check in found if check.remedy):
        names = ", ".join(check.name for check in found if check.remedy == remedy)
        console.print(f"\n[bold]{names}[/]: {escape(rendering.cell(remedy))}.", highlight=False)
    console.print(f"\n{VERDICTS[checks.level(found)]}")
