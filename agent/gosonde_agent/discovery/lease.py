"""A promise of the kernel that a file does not change while probes are in it.

A uprobe stays with the inode. When somebody writes another program into the same file, the kernel puts the breakpoint
at the old offset into the new code, and the next process that runs it crashes. While a process runs the file nobody can
write to it (ETXTBSY); while none does, a read lease makes whoever opens it for writing wait until the probes are out.
"""

import contextlib
import fcntl
import os
import signal

from gosonde_agent.model.errors import UnguardedFileError

#: What the kernel sends when somebody waits for a file. By default it is ignored: who does not listen is not harmed.
BREAK_SIGNAL = signal.SIGURG


def take(fd: int) -> None:
    """Takes a lease on an open file; it goes with the descriptor.

    Raises:
        UnguardedFileError: The file is open for writing, or it is another user's and CAP_LEASE is missing, or its file
            system has no leases.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, BREAK_SIGNAL)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        raise UnguardedFileError(
            f"the file cannot be kept from changing while probes are in it: {os.strerror(error.errno or 0)}. It "
            "is open for writing, CAP_LEASE is missing, or its file system has no leases; watch a process by its pid"
        ) from error


def is_break_requested(fd: int) -> bool:
    """Whether somebody waits to write to the file."""
    return fcntl.fcntl(fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK


def release(fd: int) -> None:
    """Ends a lease: whoever waits for the file goes on."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
