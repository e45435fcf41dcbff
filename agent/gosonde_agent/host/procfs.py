"""What /proc says of a process. Any answer may be outdated the moment it is given."""

import contextlib
import glob
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gosonde_agent.host import access, files
from gosonde_agent.host.files import FileStatus
from gosonde_agent.host.kernel import boot_unix_nano
from gosonde_agent.model.errors import (
    MalformedBinaryError,
    NoSuchProcessError,
    NotPermittedError,
    UnreadableFileError,
)

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
#: Which clock of a process is used (include/linux/posix-timers_types.h): clock_getcpuclockid(3) gives the same id.
CPUCLOCK_SCHED = 2
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessStart:
    """When a process was forked: clock ticks since boot, and the same on the wall clock."""

    ticks: int
    unix_nano: int


#: Of a thread's list of children as much is read: some ten thousand of them.
MAX_CHILDREN_BYTES = 1 << 16


def boot_id() -> str:
    """Distinguishes this boot of the host from every other."""
    return BOOT_ID.read_text().strip()


def check_numbers() -> None:
    """Raises NotPermittedError where /proc numbers processes otherwise than the kernel does for this process."""
    try:
        number = Path("/proc/self").readlink().name
    except OSError:
        number = "none"
    if number != str(os.getpid()):
        raise NotPermittedError(
            f"/proc is of another pid namespace: the pid of this process is {os.getpid()}, and {number} there; run "
            "gosonde in that namespace, or mount its own /proc"
        )


def pids() -> list[int]:
    """All process ids that are visible here."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names alone


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; the second may hold spaces and parentheses."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
    except OSError as error:
        raise UnreadableFileError(f"the state of process {pid} cannot be read: {error.strerror}") from error
    return text[text.rindex(")") + 2 :].split()


def start_of(pid: int) -> ProcessStart:
    """When a process began.

    Raises:
        NoSuchProcessError: It is not there.
        UnreadableFileError: It cannot be found out now.
    """
    ticks = int(_stat_fields(pid)[19])
    return ProcessStart(ticks, boot_unix_nano() + ticks * 1_000_000_000 // TICKS_PER_SECOND)


def children(pid: int) -> frozenset[int]:
    """The processes that a process has started and that live; those of a thread that ends meanwhile may be missing."""
    found: set[int] = set()
    for path in glob.glob(f"/proc/{pid}/task/*/children"):  # noqa: PTH207 - for each look
        with contextlib.suppress(OSError), open(path, "rb") as file:  # noqa: PTH123 - for each look
            found.update(map(int, file.read(MAX_CHILDREN_BYTES).rpartition(b" ")[0].split()))
    return frozenset(found)


def cpu_ns(pid: int) -> int:
    """User and system time of all threads that a process has or had, as the scheduler counts it.

    Raises:
        NoSuchProcessError: It is not there.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)
    except OSError as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error


def has_ended(pid: int, start_ticks: int) -> bool:
    """Whether no thread of the process is known to run any more; another process with the same pid does not count."""
    try:
        os.stat(f"/proc/{pid}")  # noqa: PTH116 - most often it is not there, and thousands may be asked for at once
        fields = _stat_fields(pid)
        is_other = start_ticks not in (0, int(fields[19]))
        return is_other or (fields[0] in "ZX" and len(os.listdir(f"/proc/{pid}/task")) <= 1)  # noqa: PTH208
    except (NoSuchProcessError, FileNotFoundError, ProcessLookupError):
        return True
    except (UnreadableFileError, OSError):
        return False


def loaded_program(pid: int) -> bytes:
    """What differs after each exec of a process: its auxiliary vector, which says where its program was loaded.

    Two programs that were loaded without address space randomization may have the same.

    Raises:
        NoSuchProcessError: The process is not there, or it is a kernel thread.
        NotPermittedError: Privileges are missing.
        UnreadableFileError: It cannot be read for another reason.
    """
    try:
        found = Path(f"/proc/{pid}/auxv").read_bytes()
    except PermissionError as error:
        raise NotPermittedError(f"process {pid} may not be examined: {error.strerror}") from error
    except (FileNotFoundError, ProcessLookupError) as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
    except OSError as error:
        raise UnreadableFileError(f"what process {pid} runs cannot be read: {error.strerror}") from error
    if not found:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended")
    return found


@contextlib.contextmanager
def executable(pid: int) -> Iterator[tuple[int, str]]:
    """(descriptor, path) of the file that a process runs, also when it was deleted or lies in another namespace.

    A file system that does not answer holds up who opens a file of it, without end.

    Raises:
        NoSuchProcessError: The process is not there, or it is a kernel thread.
        NotPermittedError: Privileges are missing.
        UnreadableFileError: It cannot be opened for another reason.
    """
    fd, path = access.current().executable(pid)
    try:
        yield fd, path
    finally:
        os.close(fd)


@contextlib.contextmanager
def library(pid: int) -> Iterator[tuple[int, str]]:
    """(descriptor, path) of the first Go file that a process has mapped as code. Raises as `executable`, and:

    Raises:
        NotGoError: It has none.
    """
    fd, path = access.current().library(pid)
    try:
        yield fd, path
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Program:
    """The file that a process runs; `user` is the process's."""

    status: FileStatus
    path: str
    user: int


def program(pid: int) -> Program:
    """What is known of the file that a process runs, without opening it: nothing can hold up who asks.

    Raises:
        NoSuchProcessError: The process is not there, or it is a kernel thread.
        NotPermittedError: Privileges are missing.
        UnreadableFileError: The kernel does not say.
    """
    fd, path = access.current().program(pid)
    try:
        user = Path(f"/proc/{pid}").stat().st_uid
        return Program(files.status(fd), path, user)
    except OSError as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
    finally:
        os.close(fd)


@contextlib.contextmanager
def file(path: str) -> Iterator[tuple[int, str]]:
    """(descriptor, absolute path) of an executable file.

    Raises:
        MalformedBinaryError: It is not a regular file.
        NotPermittedError: It may not be read.
        NoSuchProcessError: There is none.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise NoSuchProcessError(f"there is no file {path}") from error
    except PermissionError as error:
        raise NotPermittedError(f"{path} may not be read: {error.strerror}") from error
    try:
        if not Path(f"/proc/self/fd/{fd}").is_file():
            raise MalformedBinaryError(f"{path} is not a regular file")
        yield fd, os.path.realpath(path)
    finally:
        os.close(fd)


def links(fd: int) -> int:
    """How many names an open file has; 0 when it was deleted, or nobody knows."""
    try:
        return files.status(fd).links
    except UnreadableFileError:
        return 0
