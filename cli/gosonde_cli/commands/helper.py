"""`gosonde helper`: what gosonde-helper.socket starts for the agent."""

import os
import sys

import typer
from gosonde_common.errors import UsageError

#: Where systemd leaves the connection.
FIRST_FD = 3


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(helper)


def helper() -> None:
    """Do what needs privileges for one agent; started by systemd, not by hand."""
    if os.environ.get("LISTEN_FDS") != "1" or os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise UsageError("gosonde helper is started by gosonde-helper.socket, with a connection of an agent")
    os.set_inheritable(FIRST_FD, True)
    folder = os.environ.get("STATE_DIRECTORY")
    # Another program in this process: what commands import is larger than the helper.
    run = f"import sys; sys.path[:] = {sys.path!r}; from gosonde_agent.helper import main; main({FIRST_FD}, {folder!r})"
    os.execv(sys.executable, [sys.executable, "-P", "-c", run])  # noqa: S606  # no shell, and a program of our own
