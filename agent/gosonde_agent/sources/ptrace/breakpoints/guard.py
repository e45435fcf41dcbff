"""The guard: a process that takes the breakpoints out when the tracer is gone, however that went.

It has the process's memory open, and waits for the death of the tracer, and for the end of a pipe whose other end only
the tracer holds. The kernel lets the tracees run on after both.
"""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from gosonde_common.errors import GosondeError

from gosonde_agent.sources.ptrace.breakpoints.points import Breakpoint
from gosonde_agent.sources.ptrace.breakpoints.table import IS_ARMED, Table
from gosonde_agent.sources.ptrace.breakpoints.text import Text
from gosonde_agent.sources.ptrace.errors import UnguardedTextError

MCL_CURRENT, MCL_FUTURE = 1, 2
NEVER_FOR_MEMORY = "-1000"
STAYS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
MOST_BYTES = 4_096
READY = b"ready"
#: Priorities.
TRACER, GUARD = 1, 2


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that is there; `pid` is its own, of a child of this process."""

    pid: int
    _pipe: int

    @property
    def is_there(self) -> bool:
        """Whether it still is."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def end(self) -> None:
        """Has it end; it takes out what is still there."""
        os.close(self._pipe)


def start(text: Text, points: Sequence[Breakpoint], table: Table) -> Guard:
    """Starts a guard, which has tried to write the text; call it from a process with one thread.

    Raises:
        UnguardedTextError: It could not write it.
    """
    table.death.announce()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    answer, answering = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            _guard(text, points, table, reader, answering)
        finally:
            os._exit(0)
    os.close(reader)
    os.close(answering)
    with os.fdopen(answer, "rb") as lines:
        said = lines.read(MOST_BYTES)
    if said != READY:
        os.close(writer)
        os.waitpid(pid, 0)
        raise UnguardedTextError(said.decode(errors="replace") or "the guard ended before it could say why")
    return Guard(pid, writer)


def _guard(text: Text, points: Sequence[Breakpoint], table: Table, reader: int, answering: int) -> None:
    for number in STAYS:
        signal.signal(number, signal.SIG_IGN)
    _close_all_but((text.fd, reader, answering))
    be_quick(GUARD)
    _never_for_memory()

    def watch() -> None:
        table.death.wait()
        _restore(text, points, table)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        text.try_to_write(points)
    except GosondeError as error:
        os.write(answering, str(error).encode()[:MOST_BYTES])
        return
    os.write(answering, READY)
    os.close(answering)
    os.read(reader, 1)  # nothing ever comes here but the end
    _restore(text, points, table)


def _restore(text: Text, points: Sequence[Breakpoint], table: Table) -> None:
    if table.words[IS_ARMED]:
        text.restore(points)


def _close_all_but(keep: Sequence[int]) -> None:
    before = 3
    for descriptor in sorted(keep):
        os.closerange(before, descriptor)
        before = descriptor + 1
    os.closerange(before, os.sysconf("SC_OPEN_MAX"))


def be_quick(priority: int) -> None:
    """Has this process wait neither for a CPU nor for its memory, as far as that is permitted; others like it differ.

    The guard's priority is the higher one: else it could wait for the CPU on which the tracer ends.
    """
    ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def _never_for_memory() -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(NEVER_FOR_MEMORY)
