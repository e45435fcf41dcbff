"""`gosonde http`: the HTTP connections of a process, read from its memory without stopping it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from gosonde_cli import here
from gosonde_cli.options import Function, State
from gosonde_cli.rendering import Figure, counted, duration
from gosonde_cli.tables.asked import AskedOfList, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import show
from gosonde_cli.tables.table import Row, Table

if TYPE_CHECKING:
    from gosonde_common.values.http import HttpConnections, HttpGroup

COLUMNS = (
    Column("CONNECTIONS"),
    Column("STATE"),
    Column("OLDEST", rank=1),
    Column("HOST", Kind.TEXT),
    Column("FUNCTION", Kind.FUNCTION),
    Column("SIDE", rank=2),
    Column("PROTOCOL", rank=3),
    Column("REQUESTS", rank=4),
)
NOTHING = "-"
ON_NO_STACK = "(on no stack)"


@dataclass(frozen=True)
class AskedOfHttp(AskedOfList):
    """Which connections."""

    function: Function = ""
    state: State = ""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, http, AskedOfHttp)


def http(asked: AskedOfHttp) -> None:
    """List the HTTP connections of a process: to which hosts, in which state, and who holds open bodies."""
    with here.opened(here.pid_of(asked.which)) as target:
        from gosonde_agent.sources.memory.http.listing import read_http  # noqa: PLC0415 - some hosts have no agent

        show(lambda: table(read_http(target), asked.function, asked.state), asked)


def table(found: "HttpConnections", function: str = "", state: str = "") -> Table:
    """The groups, and what is not known; those alone with a function and a state that have these texts."""
    groups = [group for group in found.groups if function in group.function and state in group.state]
    rows = [Row(_cells(group), asdict(group)) for group in groups]
    notes = [f"{counted(found.connections, 'connection')} in all"] if found.groups else []
    empty = "No such connection is open." if found.groups else "No connection of net/http is open."
    return Table(COLUMNS, rows, empty, notes, list(gaps(found)))


def _cells(group: "HttpGroup") -> tuple[object, ...]:
    host = f"{group.scheme}://{group.host}" if group.scheme and group.host else group.host
    return (
        group.connections,
        group.state.value,
        _age(group),
        host or NOTHING,
        group.function or (ON_NO_STACK if group.is_on_no_stack else NOTHING),
        group.side.value,
        group.protocol,
        group.requests,
    )


def _age(group: "HttpGroup") -> Figure:
    if group.oldest_ns is None:
        return Figure(-1, NOTHING)
    return Figure(group.oldest_ns, f"{'≥ ' if group.oldest_is_least else ''}{duration(group.oldest_ns)}")


def gaps(found: "HttpConnections") -> Iterator[str]:
    """What is not known of them, in sentences."""
    if found.changing:
        yield f"unknown: the state of {counted(found.changing, 'connection')} that changed each time while being read"
    if found.unread:
        yield f"not read: {counted(found.unread, 'further goroutine')} of net/http, because there are so many"
