"""Prints a list: once, or again and again; for people or for programs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from gosonde_cli import rendering
from gosonde_cli.tables.arranging import arranged
from gosonde_cli.tables.asked import AskedOfList
from gosonde_cli.tables.table import Table, rendered

#: Between two readings.
WATCH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Filters:
    """Beside that of `--exe`, which all lists have."""

    function: str = ""
    state: str = ""


#: Makes of a table what is printed for people on a console.
Render = Callable[[Table, Console], RenderableType]


def show(
    read: Callable[[], Table], asked: AskedOfList, filters: Filters = Filters(), render: Render | None = None
) -> None:
    """Prints what `read` returns, as it was asked for; `--watch` reads until Ctrl-C.

    Raises:
        UsageError: `--sort` names no column.
        GosondeError: As `read`.
    """

    def once() -> Table:
        return arranged(
            read(),
            sort=asked.sort,
            limit=asked.limit,
            function=filters.function,
            state=filters.state,
        )

    out = rendering.console(wide=asked.wide)
    shown = render or partial(rendered, wide=asked.wide)
    try:
        if asked.watch:
            _watch(once, asked, out, shown)
        elif asked.json:
            rendering.print_json(_with_gaps(once()))
        else:
            out.print(shown(once(), out))
    except KeyboardInterrupt:
        return


def _watch(once: Callable[[], Table], asked: AskedOfList, out: Console, shown: Render) -> None:
    if asked.json:
        while True:
            rendering.print_json_line(_with_gaps(once()))
            time.sleep(WATCH_SECONDS)
    with Live(console=out, auto_refresh=False) as live:
        while True:
            live.update(shown(once(), out), refresh=True)
            time.sleep(WATCH_SECONDS)


def _with_gaps(table: Table) -> Any:  # noqa: ANN401 - whatever json knows, and dataclasses
    """What is printed as JSON. Who reads only that hears on standard error of what is not known."""
    for line in table.gaps:
        typer.echo(line, err=True)
    return table.as_document()
