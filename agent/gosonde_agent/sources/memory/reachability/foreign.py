"""Code in a process that is not Go's, as of C: pointers into the heap that it keeps are not seen."""

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from gosonde_agent.host import access
from gosonde_agent.model.errors import NoSuchProcessError, UnreadableFileError

#: The kernel's own, and the loader of programs, which every PIE has and which ends its work before the program begins.
KERNELS = frozenset({"[vdso]", "[vsyscall]"})
LOADER = "ld-linux"
#: What lies before and behind Go's code in the pages that it begins and ends in, and the linker's own few functions.
SPARE = 16 << 10
MAX_LINES = 1 << 17


def foreign_code(pid: int, go: Iterable[tuple[int, int]]) -> str:
    """What has code in a process that is not Go's: the name of a mapping; empty where there is none.

    Args:
        go: (begin, end) of the code of each module of Go.

    Raises:
        NoSuchProcessError: It has ended.
        NotPermittedError: Privileges are missing.
        UnreadableFileError: Its mappings cannot be read.
    """
    known = list(go)
    for begin, end, name in _code(pid):
        inside = sum(max(min(end, high) - max(begin, low), 0) for low, high in known)
        if end - begin - inside > SPARE and name not in KERNELS and not PurePath(name).name.startswith(LOADER):
            return name or "memory without a file"
    return ""


def _code(pid: int) -> Iterator[tuple[int, int, str]]:
    """(begin, end, name) of each mapping that can be executed."""
    fd = access.current().mappings(pid)
    try:
        with os.fdopen(fd, errors="replace") as lines:
            for number, line in enumerate(itertools.islice(lines, MAX_LINES + 1)):
                if number == MAX_LINES:
                    raise UnreadableFileError(f"process {pid} has more than {MAX_LINES} mappings")
                area, access_bits, *rest = line.rstrip("\n").split(maxsplit=5)
                if "x" in access_bits:
                    begin, end = (int(text, 16) for text in area.split("-"))
                    yield begin, end, rest[3] if len(rest) > 3 else ""
    except ProcessLookupError as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
    except OSError as error:
        raise UnreadableFileError(f"the mappings of process {pid} cannot be read: {error.strerror}") from error
