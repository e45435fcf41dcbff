"""The guard: a process that takes the breakpoints out when the tracer is gone, however that went.

It has the process's memory open, and waits for the end of a pipe whose other end only the tracer holds. A process that
is killed closes its files before the kernel lets its tracees run on.
"""

import contextlib
import ctypes
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from gosonde_common.errors import GosondeError

from gosonde_agent.sources.ptrace.breakpoints.points import Breakpoint
from gosonde_agent.sources.ptrace.breakpoints.text import Text
from gosonde_agent.sources.ptrace.errors import UnguardedTextError

ARMED, DISARMED = b"a", b"d"
MCL_CURRENT, MCL_FUTURE = 1, 2
NEVER_FOR_MEMORY = "-1000"
STAYS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
MOST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that is there; `pid` is its own, of a child of this process."""

    pid: int
    _pipe: int

    def tell(self, *, is_armed: bool) -> bool:
        """Says whether there is something to take out; whether it was heard."""
        try:
            return os.write(self._pipe, ARMED if is_armed else DISARMED) == 1
        except OSError:
            return False

    def end(self) -> None:
        """Has it end; it takes out what is still there."""
        os.close(self._pipe)


def start(text: Text, points: Sequence[Breakpoint], keep: Sequence[int] = ()) -> Guard:
    """Starts a guard, which has tried to write the text; call it from a process with one thread.

    Args:
        keep: Descriptors that it is to keep open beside its own.

    Raises:
        UnguardedTextError: It could not write it.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    answer, answering = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            _guard(text, points, reader, answering, (text.fd, reader, answering, *keep))
        finally:
            os._exit(0)
    os.close(reader)
    os.close(answering)
    with os.fdopen(answer, "rb") as lines:
        said = lines.read(MOST_BYTES)
    os.set_blocking(writer, False)
    if said != b"ready":
        os.close(writer)
        os.waitpid(pid, 0)
        raise UnguardedTextError(said.decode(errors="replace") or "the guard ended before it could say why")
    return Guard(pid, writer)


def _guard(text: Text, points: Sequence[Breakpoint], reader: int, answering: int, keep: Sequence[int]) -> None:
    for number in STAYS:
        signal.signal(number, signal.SIG_IGN)
    _close_all_but(keep)
    _be_quick()
    try:
        text.try_to_write(points)
    except GosondeError as error:
        os.write(answering, str(error).encode()[:MOST_BYTES])
        return
    os.write(answering, b"ready")
    os.close(answering)
    said = DISARMED
    while more := os.read(reader, MOST_BYTES):
        said = more[-1:]
    if said == ARMED:
        text.restore(points)


def _close_all_but(keep: Sequence[int]) -> None:
    before = 3
    for descriptor in sorted(keep):
        os.closerange(before, descriptor)
        before = descriptor + 1
    os.closerange(before, os.sysconf("SC_OPEN_MAX"))


def _be_quick() -> None:
    """Neither waits for a CPU nor for its memory, nor is it killed for memory, as far as that is permitted."""
    ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(NEVER_FOR_MEMORY)
