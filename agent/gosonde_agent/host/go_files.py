"""Which executables the helper places probes in and opens the memory of: Go programs that a process was seen to run."""

import os
import re
from collections import OrderedDict
from threading import Lock

from gosonde_agent.host import files
from gosonde_agent.model.errors import RefusedError

#: What the linker puts before Go's build information, where 16 bytes begin (debug/buildinfo).
BUILD_INFO = re.compile(rb"\xff Go buildinf:")
BUILD_INFO_ALIGNMENT = 16
#: How a pclntab of Go 1.16 and newer begins, where 8 bytes do (pcHeader in runtime/symtab.go): some programs have no
#: build information, and none runs without this.
PCLNTAB = re.compile(rb"[\xf0\xf1\xfa]\xff\xff\xff\0\0[\x01\x04]\x08")
PCLNTAB_ALIGNMENT = 8
CHUNK = 1 << 20
#: The mark is searched for in so many bytes of a file.
MAX_SEARCHED = 1 << 30
#: Why a file is refused.
NOT_GO = "this is not the file of a Go program"
#: Files that are remembered.
MAX_FILES = 1 << 16

#: Device and inode; and with size, mtime and ctime, its content.
Inode = tuple[int, int]
Content = tuple[int, int, int, int, int]


class GoFiles:
    """Remembers what was seen of files; the oldest is forgotten when there are too many. Of use in any thread."""

    def __init__(self) -> None:
        self._ran: OrderedDict[Inode, None] = OrderedDict()
        self._has_mark: OrderedDict[Content, bool] = OrderedDict()
        self._turn = Lock()

    def note(self, fd: int) -> None:
        """A process runs this open file."""
        status = files.status(fd)
        with self._turn:
            self._ran[status.device, status.inode] = None
            self._ran.move_to_end((status.device, status.inode))
            if len(self._ran) > MAX_FILES:
                self._ran.popitem(last=False)

    def check(self, fd: int) -> None:
        """Raises RefusedError unless an open file is Go's, and a process was seen to run it."""
        status = files.status(fd)
        if (status.device, status.inode) not in self._ran:
            raise RefusedError("no process was seen to run this file")
        content = (status.device, status.inode, status.size, status.modified_ns, status.changed_ns)
        if not self._searched(content, fd):
            raise RefusedError(NOT_GO)

    def is_go(self, fd: int) -> bool:
        """Whether an open file is Go's."""
        status = files.status(fd)
        return self._searched((status.device, status.inode, status.size, status.modified_ns, status.changed_ns), fd)

    def _searched(self, content: Content, fd: int) -> bool:
        known = self._has_mark.get(content)
        if known is None:
            known = has_mark(fd)  # outside of the lock: a file system may hold up who reads
            with self._turn:
                self._has_mark[content] = known
                if len(self._has_mark) > MAX_FILES:
                    self._has_mark.popitem(last=False)
        return known


def has_mark(fd: int) -> bool:
    """Whether one of Go's marks is in an open file."""
    for start in range(0, MAX_SEARCHED, CHUNK):
        data = os.pread(fd, CHUNK, start)  # no mark lies across two: both begin where 16 bytes begin
        marks = ((BUILD_INFO, BUILD_INFO_ALIGNMENT), (PCLNTAB, PCLNTAB_ALIGNMENT))
        if any(place.start() % alignment == 0 for mark, alignment in marks for place in mark.finditer(data)):
            return True
        if len(data) < CHUNK:
            return False
    return False
