"""Go in a library of a process that runs another program (-buildmode=c-shared): found among what it has mapped."""

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from gosonde_agent.host.go_files import GoFiles
from gosonde_agent.model.errors import NoSuchProcessError, NotGoError, UnreadableFileError

#: Lines of /proc/PID/maps that are read.
MAX_LINES = 65_536


@dataclass(frozen=True, slots=True)
class MappedFile:
    """A file that is mapped as code; `area` is the name of a mapping of it in /proc/PID/map_files."""

    device: str
    inode: int
    path: str
    area: str


def open_library(pid: int, mappings: int, known: GoFiles) -> tuple[int, str]:
    """(descriptor, path) of the first Go file that a process has mapped as code; closes `mappings`, its /proc/PID/maps.

    Raises:
        NotGoError: It has none.
        NoSuchProcessError: It has ended.
        UnreadableFileError: The mappings cannot be read for another reason.
    """
    for mapped in mapped_code(pid, mappings):
        with contextlib.suppress(UnreadableFileError):
            fd = _opened(pid, mapped)
            if known.is_go(fd):
                return fd, mapped.path
            os.close(fd)
    raise NotGoError("not a Go binary: neither the executable nor a mapped library contains Go code")


def mapped_code(pid: int, mappings: int) -> list[MappedFile]:
    """The files of which a process has mapped code, in the order of their addresses; closes `mappings`."""
    try:
        with os.fdopen(mappings, errors="replace") as lines:
            areas = [line.rstrip("\n").split(maxsplit=5) for line in itertools.islice(lines, MAX_LINES)]
    except ProcessLookupError as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
    except OSError as error:
        raise UnreadableFileError(f"the mappings of process {pid} cannot be read: {error.strerror}") from error
    return list({(file.device, file.inode): file for file in _files(areas)}.values())


def _files(areas: list[list[str]]) -> Iterator[MappedFile]:
    for area in areas:
        if len(area) == 6 and "x" in area[1] and area[5].startswith("/"):
            yield MappedFile(area[3], int(area[4]), area[5], area[0])


def _opened(pid: int, mapped: MappedFile) -> int:
    """By its mapping where the kernel permits that (CAP_CHECKPOINT_RESTORE), else by its path.

    It is only named (O_PATH) until it is known to be that file: what a process has put there may be a device.
    """
    reason = "another file has taken its place"
    for place in (f"/proc/{pid}/map_files/{mapped.area}", f"/proc/{pid}/root{mapped.path}"):
        try:
            named = os.open(place, os.O_PATH | os.O_CLOEXEC)
            try:
                status = os.fstat(named)
                if status.st_ino == mapped.inode and stat.S_ISREG(status.st_mode):
                    return os.open(f"/proc/self/fd/{named}", os.O_RDONLY | os.O_CLOEXEC)
            finally:
                os.close(named)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
    raise UnreadableFileError(f"{mapped.path} of process {pid} cannot be opened: {reason}")
