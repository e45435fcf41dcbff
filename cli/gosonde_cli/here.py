"""Which process of this host a command is about, and its memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gosonde_common.errors import UsageError

from gosonde_cli.importing import needing, soon
from gosonde_cli.options import MAX_PID

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.target import Target


def pid_of(which: str) -> int:
    """The process that has a pid, or by the name of what it runs.

    Raises:
        UsageError: It is no pid, and there is no name.
        NotFoundError: No process has that name, or several have.
        UnsupportedError: A library is missing.
    """
    if not which:
        raise UsageError("say which process: give its pid or its name; gosonde ps lists the Go processes of this host")
    if which.isascii() and which.isdecimal():
        if not 0 < int(which) <= MAX_PID:
            raise UsageError(f"{which} is not a process id")
        return int(which)
    with needing("agent"):
        from gosonde_agent.discovery import names  # noqa: PLC0415  # some hosts have no agent
    return names.pid_of(which)


def chosen(process: str, pid: int | None) -> str:
    """A pid or a name, given as PROCESS or as `--pid`; empty where neither was.

    Raises:
        UsageError: Both were.
    """
    if process and pid:
        raise UsageError(f"the process is named twice: {process} and --pid {pid}")
    return process or (str(pid) if pid else "")


@contextmanager
def opened(pid: int) -> "Iterator[Target]":
    """The memory of a process.

    Raises:
        UnsupportedError: A library is missing.
        GosondeError: The process cannot be read.
    """
    with needing("agent"), soon():
        from gosonde_agent.sources.memory.target import opened as open_target  # noqa: PLC0415 - some hosts have no agent
    with open_target(pid) as target:
        yield target
