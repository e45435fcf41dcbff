"""Of which process something is that is handed to a collector."""

import socket
from typing import TYPE_CHECKING, Annotated

import typer
from gosonde_common.errors import UsageError

from gosonde_cli import here
from gosonde_cli.tables import known

if TYPE_CHECKING:
    from gosonde.collector_client import CollectorClient

HostOfProcess = Annotated[
    str, typer.Option(metavar="NAME", help="Host of the process, named as in gosonde processes. Default: this one.")
]


def which_of(process: str, pid: int | None) -> str:
    """A pid or a name.

    Raises:
        UsageError: Neither was given, or both.
    """
    if which := here.chosen(process, pid):
        return which
    raise UsageError("say which process it belongs to, by its id or name; gosonde processes lists those that are known")


def owner(client: "CollectorClient", host: str, which: str) -> tuple[str, int]:
    """(host, pid): of this host where none is given; a name is that of a process which the collector knows.

    Raises:
        UsageError: It is no pid.
        NotFoundError: The collector knows no process with that name, or several.
    """
    host = host or socket.gethostname()
    if which.isascii() and which.isdecimal():
        return host, here.pid_of(which)
    return host, known.the_one(client.processes(), host, which).pid
