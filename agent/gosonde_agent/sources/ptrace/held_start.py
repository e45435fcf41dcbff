"""Running a program that stands before its first instruction, until it is let go."""

import contextlib
import os
import subprocess
from collections.abc import Sequence

from gosonde_agent.sources.ptrace import calls


class HeldStart:
    """A child of this process that has executed its program and not yet run it.

    Where the kernel lets no child be traced (a seccomp filter without ptrace), it runs on from its start. Whoever kills
    this process with -9 meanwhile kills the child, too.

    Attributes:
        child: The child.
        stands: Whether it stands.
    """

    def __init__(self, command: Sequence[str], path: str) -> None:
        """Runs it; all calls must come from one thread.

        Raises:
            OSError: It cannot be run.
        """
        try:
            # What the child calls takes no lock.
            self.child = subprocess.Popen(command, executable=path, preexec_fn=calls.trace_me)  # noqa: PLW1509
            self.stands = _has_stopped(self.child.pid)
        except subprocess.SubprocessError:
            self.child = subprocess.Popen(command, executable=path)
            self.stands = False

    def let_go(self) -> None:
        """Has it run; it may be called again."""
        if self.stands:
            self.stands = False
            calls.let_go(self.child.pid, 0)


def _has_stopped(pid: int) -> bool:
    """Waits for the stop behind an exec. False where the child was killed before."""
    with contextlib.suppress(ChildProcessError):
        found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if found is not None and found.si_code == os.CLD_TRAPPED:
            os.waitid(os.P_PID, pid, os.WSTOPPED)
            return True
    return False
