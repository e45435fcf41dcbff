"""The threads of a process that is traced, and what each stop of one of them asks for."""

import os
import signal
from collections.abc import Callable, Sequence

from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError
from gosonde_agent.sources.ptrace import calls, threads
from gosonde_agent.sources.ptrace.breakpoints import trap
from gosonde_agent.sources.ptrace.breakpoints.points import Breakpoint
from gosonde_agent.sources.ptrace.errors import TooManyThreadsError
from gosonde_agent.sources.ptrace.stopping import MAX_THREADS

OPTIONS = calls.TRACE_CLONE | calls.TRACE_FORK | calls.TRACE_EXEC
#: Signals that stop a process as a whole.
STOPPING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
#: kcmp(2), and what it compares: the memory of two processes.
KCMP, KCMP_VM = 312, 1
#: Handles a thread that stands at a breakpoint; False when it stands elsewhere.
OnTrap = Callable[[int], bool]


class Tracees:
    """All threads of one process; to be used by the thread that traces them.

    Attributes:
        threads: Those that are traced now.
        is_leaving: Whether each is let go as soon as it stands.
        has_exec: Whether the process runs another program now.
    """

    def __init__(self, pid: int, points: Sequence[Breakpoint], on_trap: OnTrap) -> None:
        self.pid = pid
        self.threads: set[int] = set()
        self.is_leaving = False
        self.has_exec = False
        self._points = points
        self._on_trap = on_trap

    def seize(self) -> None:
        """Traces all threads, which run on; what they make from now on is traced, too.

        Raises:
            TooManyThreadsError: There are more than MAX_THREADS.
            AlreadyTracedError: Another program traces it.
            NotPermittedError: The kernel refuses.
            NoSuchProcessError: It has ended.
        """
        self.is_leaving = False
        while fresh := self._fresh():
            for thread in fresh:
                self._seize(thread)
        if not self.threads:
            raise NoSuchProcessError(f"there is no process {self.pid}, or it has just ended")

    def _fresh(self) -> set[int]:
        found = set(threads.listed(self.pid))
        if len(found) > MAX_THREADS:
            raise TooManyThreadsError(f"process {self.pid} has {len(found)} threads: at most {MAX_THREADS} are traced")
        return {one for one in found - self.threads if not threads.has_ended(self.pid, one)}

    def _seize(self, thread: int) -> None:
        try:
            if calls.seize(thread, OPTIONS):
                self.threads.add(thread)
        except NotPermittedError as error:
            if threads.is_traced_by(self.pid, thread, os.getpid()):
                self.threads.add(thread)
            elif not threads.has_ended(self.pid, thread):
                raise threads.refusal(self.pid, thread) from error

    def stopped(self, thread: int, status: int) -> None:
        """Does what a change of a thread asks for, as waitpid(2) has it."""
        if not os.WIFSTOPPED(status):
            self.threads.discard(thread)
            return
        number, event = os.WSTOPSIG(status), status >> 16
        if thread not in self.threads and not self._is_kept(thread):
            return
        if event == calls.EVENT_EXEC:
            self.threads, self.has_exec = {thread}, True
            self._let_go(thread)
        elif event == calls.EVENT_STOP:
            self._stands(thread, number)
        elif event:
            calls.run_on(thread, 0)
        elif number != trap.SIGNAL or not self._on_trap(thread):
            calls.run_on(thread, number)

    def _is_kept(self, thread: int) -> bool:
        """Whether one that was made just now is a thread of the process; a child by fork is cleaned and let go."""
        if threads.listed_in(self.pid, thread) or self._shares_memory(thread):
            self.threads.add(thread)
            return True
        for point in self._points:
            calls.put_byte(thread, point.address, trap.BYTE, point.original)
        calls.let_go(thread, 0)
        return False

    def _shares_memory(self, child: int) -> bool:
        return bool(calls.LIBC.syscall(KCMP, self.pid, child, KCMP_VM, 0, 0) == 0)

    def _stands(self, thread: int, number: int) -> None:
        if self.is_leaving and calls.has_pending(thread, trap.SIGNAL):
            calls.run_on(thread, 0)
            calls.interrupt(thread)
        elif self.is_leaving:
            self._let_go(thread)
        elif number in STOPPING:
            calls.listen(thread)
        else:
            calls.run_on(thread, 0)

    def _let_go(self, thread: int) -> None:
        calls.let_go(thread, 0)
        self.threads.discard(thread)

    def leave(self) -> None:
        """Has every thread stop, to be let go then: `stopped` does that."""
        self.is_leaving = True
        for thread in list(self.threads):
            if not calls.interrupt(thread) and not os.path.exists(f"/proc/{thread}"):  # noqa: PTH110
                self.threads.discard(thread)

    def late(self) -> set[int]:
        """Those that are still to stop and may be at a breakpoint: not in the kernel without end, and not ended."""
        return {one for one in self.threads if not threads.waits_in_kernel(self.pid, one)}
