"""A promise of the kernel that a file does not change while probes are in it.

A uprobe stays with the inode. When somebody writes another program into the same file, the kernel puts the breakpoint
at the old offset into the new code, and the next process that runs it crashes. While a process runs the file nobody can
write to it (ETXTBSY); while none does, a read lease makes whoever opens it for writing wait until the probes are out.
"""

import contextlib
import fcntl
import os

from gosonde_agent.host import access


def take(fd: int) -> int:
    """A descriptor of its own for an open file, with a lease that goes with it.

    Raises:
        UnguardedFileError: The file is open for writing, or it is another user's and CAP_LEASE is missing, or its file
            system has no leases.
        GosondeError: The helper does not do it.
    """
    own = access.current().leased(fd)
    # Named again by the process that it goes to: the kernel asks whether whoever named it may send it signals.
    fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
    return own


def is_break_requested(fd: int) -> bool:
    """Whether somebody waits to write to the file."""
    return fcntl.fcntl(fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK


def release(fd: int) -> None:
    """Ends a lease: whoever waits for the file goes on."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
