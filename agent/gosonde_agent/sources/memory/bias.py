"""How far a process's image is moved from where its file says: runtime address less link-time address."""

import itertools
import os
from collections.abc import Sequence

from gosonde_agent.golang.elf import Segment
from gosonde_agent.host import access
from gosonde_agent.model.errors import NoSuchProcessError, UnreadableFileError
from gosonde_agent.sources.memory.errors import NotLocatedError

PAGE = 4_096
#: A process may have 65,530 mappings (vm.max_map_count), or as many as its administrator allows.
MAX_LINES = 4_000_000


def load_bias(pid: int, fd: int, segments: Sequence[Segment]) -> int:
    """The load bias of the program that a process runs; `fd` is its open executable, and has these segments.

    Raises:
        NoSuchProcessError: It has ended.
        NotPermittedError: Privileges are missing.
        NotLocatedError: The file is not mapped as its headers say.
        UnreadableFileError: The mappings cannot be read for another reason.
    """
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    mapped = _mappings(pid, device, status.st_ino) or _mappings(pid, None, status.st_ino)
    biases = {
        start - (segment.vaddr - segment.vaddr % PAGE)
        for segment in segments
        for start, offset in mapped
        if offset == segment.offset - segment.offset % PAGE
    }
    fitting = [bias for bias in sorted(biases) if _covers(mapped, segments, bias)]
    if len(fitting) != 1:
        raise NotLocatedError(f"the executable of process {pid} is not mapped as its headers say: load bias unknown")
    return fitting[0]


def _covers(mapped: list[tuple[int, int]], segments: Sequence[Segment], bias: int) -> bool:
    """Whether every code segment begins where the bias puts it."""
    starts = set(mapped)
    return all(
        (segment.vaddr - segment.vaddr % PAGE + bias, segment.offset - segment.offset % PAGE) in starts
        for segment in segments
        if segment.executable
    )


def _mappings(pid: int, device: str | None, inode: int) -> list[tuple[int, int]]:
    """(address, file offset) of every mapping of a file. A device of None means any: overlayfs shows another one."""
    found: list[tuple[int, int]] = []
    fd = access.current().mappings(pid)
    try:
        with os.fdopen(fd, errors="replace") as lines:
            for line in itertools.islice(lines, MAX_LINES):
                fields = line.split(maxsplit=5)
                if len(fields) >= 5 and fields[4] == str(inode) and device in (None, fields[3]):
                    found.append((int(fields[0].split("-")[0], 16), int(fields[2], 16)))
    except ProcessLookupError as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
    except OSError as error:
        raise UnreadableFileError(f"the mappings of process {pid} cannot be read: {error.strerror}") from error
    return found
