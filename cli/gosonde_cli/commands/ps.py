"""`gosonde ps`: the Go processes of this host, and what may be done with each."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from gosonde_common.errors import NotFoundError

from gosonde_cli import container_text, here, rendering
from gosonde_cli.importing import needing
from gosonde_cli.rendering import counted
from gosonde_cli.tables.arranging import is_executable
from gosonde_cli.tables.asked import Asked, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import show
from gosonde_cli.tables.table import Row, Table

if TYPE_CHECKING:
    from gosonde_agent.discovery.listing import Listed, Listing

COLUMNS = (
    Column("GOROUTINES"),
    Column("CREATED/S"),
    Column("PID"),
    Column("EXE", Kind.PATH),
    *container_text.COLUMNS,
    Column("CAN", rank=1),
    Column("GO", rank=2),
)
ALL = ("trace", "read")
NOT_KNOWN = rendering.Figure(-1, "-")
EMPTY = "No Go process is seen on this host."
#: Reasons that are shown to people.
MOST_REASONS = 5


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, ps, Asked)


def ps(asked: Asked) -> None:
    """List the Go processes of this host, their goroutines, and what gosonde can do with each.

    Needs no agent and no collector. Takes a few seconds, because it reads each process twice.
    """
    with needing("agent"):
        from gosonde_agent.discovery.listing import listing  # noqa: PLC0415  # some hosts have no agent

    def read() -> Table:
        if asked.which.isdecimal() and (one := listing(here.pid_of(asked.which))).processes:
            return table(one, asked)
        return table(listing(), asked)

    show(read, asked)


def table(found: "Listing", asked: Asked) -> Table:
    """What was seen, as a table; those with the most goroutines first.

    Raises:
        NotFoundError: None is the one that was asked for; names those that are there.
    """
    wanted = [one for one in found.processes if _fits(one, asked)]
    if not wanted and (asked.which or asked.exe):
        here = ", ".join(f"{one.pid} {rendering.cell(one.exe.rpartition('/')[2])}" for one in found.processes[:10])
        more = f" and {len(found.processes) - 10:,} more" if len(found.processes) > 10 else ""
        raise NotFoundError(f"no Go process {asked.which or asked.exe} is seen here; known: {here or 'none'}{more}")
    wanted.sort(key=lambda one: -1 if one.goroutines is None else one.goroutines, reverse=True)
    rows = [Row(_cells(one), document(one)) for one in wanted]
    return Table(COLUMNS, rows, EMPTY, list(_reasons(wanted)), gaps=list(_gaps(found)))


def _fits(one: "Listed", asked: Asked) -> bool:
    which = asked.which
    is_it = str(one.pid) == which if which.isdecimal() else not which or is_executable(one.exe, which)
    return is_it and (not asked.exe or is_executable(one.exe, asked.exe))


def document(one: "Listed") -> dict[str, object]:
    """The JSON form; docs/json.md describes it."""
    return {
        "pid": one.pid,
        "exe": one.exe,
        "go_version": one.go_version,
        "goroutines": one.goroutines,
        "created_per_second": one.created_per_second,
        "can": [what for what in ALL if what not in one.cannot],
        "cannot": one.cannot,
        "container": one.container.document,
    }


def _cells(one: "Listed") -> tuple[object, ...]:
    rate = one.created_per_second
    return (
        NOT_KNOWN if one.goroutines is None else one.goroutines,
        NOT_KNOWN if rate is None else rendering.Figure(rate, f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"),
        rendering.pid_figure(one.pid),
        one.exe,
        *container_text.cells(one.container),
        ", ".join(what for what in ALL if what not in one.cannot) or "nothing",
        one.go_version or "?",
    )


def _reasons(wanted: "list[Listed]") -> Iterator[str]:
    """Why something cannot be done, each reason once."""
    pids: dict[tuple[str, str], list[int]] = {}
    for one in wanted:
        for what, reason in one.cannot.items():
            pids.setdefault((what, reason.replace(f"process {one.pid}", "the process")), []).append(one.pid)
    for (what, reason), whose in list(pids.items())[:MOST_REASONS]:
        of = f"pid {whose[0]}" if len(whose) == 1 else counted(len(whose), "process", "processes")
        yield f"no {what} of {of}: {rendering.cell(reason)}"
    if len(pids) > MOST_REASONS:
        yield f"and {counted(len(pids) - MOST_REASONS, 'more reason')} (--json)"


def _gaps(found: "Listing") -> Iterator[str]:
    """What was not looked at."""
    if found.hidden:
        whose = counted(found.hidden, "process runs", "processes run")
        yield f"this user may not know what {whose}{': root may' if os.geteuid() else ''}"
    if found.left_out:
        yield f"{counted(found.left_out, 'process', 'processes')} not looked at: no time or room left"
    if found.unsearched:
        whose = counted(found.unsearched, "process", "processes")
        yield f"{whose} not searched for a Go library: no time left"
