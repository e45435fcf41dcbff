"""What needs privileges when other processes are looked at: opening their files. Reading what is open needs none.

A command of root's opens for itself. The agent does not: it asks its helper, which implements the same Protocol.
"""

import fcntl
import itertools
import os
import signal
from pathlib import Path
from typing import Protocol

from gosonde_agent.host.go_files import GoFiles
from gosonde_agent.host.mappings import open_library
from gosonde_agent.host.thread_events import open_thread_event
from gosonde_agent.host.why_refused import why_refused
from gosonde_agent.model.errors import (
    NoSuchProcessError,
    NotPermittedError,
    UnguardedFileError,
    UnreadableFileError,
)

#: What a process says of itself, in its environment when it was started: NAME=VALUE, apart by commas.
LABELS_VARIABLE = b"GOSONDE_LABELS="
#: Nothing longer is read of an environment, and no longer labels are passed on, bytes.
MAX_ENVIRONMENT_BYTES, MAX_LABELS_BYTES = 1 << 20, 1 << 14
#: Descriptors of one process that are looked at.
MAX_DESCRIPTORS = 1 << 16
#: What the kernel sends when somebody waits for a file. By default it is ignored: who does not listen is not harmed.
BREAK_SIGNAL = signal.SIGURG


class Access(Protocol):
    """Opens files of other processes; the caller closes them. Methods may be called from any thread."""

    def executable(self, pid: int) -> tuple[int, str]:
        """(descriptor, path) of the file that a process runs.

        Raises:
            NoSuchProcessError: The process is not there, or it is a kernel thread.
            NotPermittedError: Privileges are missing.
            UnreadableFileError: It cannot be opened for another reason.
        """
        ...

    def program(self, pid: int) -> tuple[int, str]:
        """As `executable`, with a descriptor that cannot be read (O_PATH): nothing can hold up who asks."""
        ...

    def memory(self, pid: int) -> int:
        """/proc/PID/mem, for reading: bound to the address space that the process has now. Raises as `executable`."""
        ...

    def mappings(self, pid: int) -> int:
        """/proc/PID/maps. Raises as `executable`."""
        ...

    def library(self, pid: int) -> tuple[int, str]:
        """(descriptor, path) of the first Go file that a process has mapped as code. Raises as `executable`, and:

        Raises:
            NotGoError: It has none.
        """
        ...

    def labels(self, pid: int) -> bytes:
        """What a process's variable GOSONDE_LABELS was at its start; empty when it had none or has ended."""
        ...

    def has_socket(self, pid: int, inode: int) -> bool:
        """Whether a process has the socket with this inode open. Raises as `executable`."""
        ...

    def thread_event(self, pid: int, thread: int, *, at_switches: bool) -> int:
        """See thread_events.open_thread_event."""
        ...

    def leased(self, fd: int) -> int:
        """A new description of an open file with a read lease; BREAK_SIGNAL comes when somebody waits for the file.

        Raises:
            UnguardedFileError: The file is open for writing, or it is another user's and CAP_LEASE is missing, or its
                file system has no leases.
            RefusedError: The helper knows no process that runs this file.
        """
        ...


class Direct:
    """An Access with this process's own privileges. `owner` is who hears of leases that others want broken."""

    def __init__(self, owner: int | None = None) -> None:
        self._owner = owner or os.getpid()
        self._files = GoFiles()

    def executable(self, pid: int) -> tuple[int, str]:
        """See Access."""
        link = f"/proc/{pid}/exe"
        return _opened(pid, link, "the executable"), _target(link) or link

    def program(self, pid: int) -> tuple[int, str]:
        """See Access."""
        link = f"/proc/{pid}/exe"
        return _opened(pid, link, "the executable", os.O_PATH), _target(link) or link

    def memory(self, pid: int) -> int:
        """See Access."""
        return _opened(pid, f"/proc/{pid}/mem", "the memory")

    def mappings(self, pid: int) -> int:
        """See Access."""
        return _opened(pid, f"/proc/{pid}/maps", "the list of mappings")

    def library(self, pid: int) -> tuple[int, str]:
        """See Access."""
        return open_library(pid, self.mappings(pid), self._files)

    def labels(self, pid: int) -> bytes:
        """See Access."""
        try:
            with Path(f"/proc/{pid}/environ").open("rb") as file:
                environment = file.read(MAX_ENVIRONMENT_BYTES)
        except OSError:
            return b""
        start = 0 if environment.startswith(LABELS_VARIABLE) else environment.find(b"\0" + LABELS_VARIABLE) + 1
        if not environment.startswith(LABELS_VARIABLE, start):
            return b""
        start += len(LABELS_VARIABLE)
        end = environment.find(b"\0", start)
        return environment[start : min(end if end >= 0 else len(environment), start + MAX_LABELS_BYTES)]

    def has_socket(self, pid: int, inode: int) -> bool:
        """See Access."""
        folder, wanted = f"/proc/{pid}/fd", f"socket:[{inode}]"
        try:
            with os.scandir(folder) as entries:
                return any(_target(entry.path) == wanted for entry in itertools.islice(entries, MAX_DESCRIPTORS))
        except OSError as error:
            raise _refusal(pid, "the list of open files", error) from error

    def thread_event(self, pid: int, thread: int, *, at_switches: bool) -> int:
        """See Access."""
        return open_thread_event(pid, thread, at_switches=at_switches)

    def leased(self, fd: int) -> int:
        """See Access."""
        own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.fcntl(own, fcntl.F_SETSIG, BREAK_SIGNAL)
            fcntl.fcntl(own, fcntl.F_SETOWN, self._owner)
            fcntl.fcntl(own, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            os.close(own)
            raise UnguardedFileError(
                f"the file cannot be protected from changes while probed: {os.strerror(error.errno or 0)}. It is "
                "open for writing, CAP_LEASE is missing, or its file system has no leases; watch a process by its pid"
            ) from error
        return own


class _Current:
    """The one Access of this process, as privileges are the process's."""

    access: Access = Direct()


def current() -> Access:
    """How this process opens files of others."""
    return _Current.access


def use(access: Access) -> None:
    """Has this process open files of others in this way from now on."""
    _Current.access = access


def _opened(pid: int, path: str, what: str, mode: int = os.O_RDONLY) -> int:
    try:
        return os.open(path, mode | os.O_CLOEXEC)
    except OSError as error:  # its file system may be gone, or there be no descriptor left
        raise _refusal(pid, what, error) from error


def _refusal(pid: int, what: str, error: OSError) -> NoSuchProcessError | NotPermittedError | UnreadableFileError:
    if isinstance(error, FileNotFoundError | ProcessLookupError):
        return NoSuchProcessError(f"there is no process {pid}, it has just ended, or it is a kernel thread")
    if isinstance(error, PermissionError):
        return NotPermittedError(f"{what} of process {pid} may not be read: {why_refused(pid)}")
    return UnreadableFileError(f"{what} of process {pid} cannot be opened: {error.strerror}")


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115
    except OSError:
        return ""
