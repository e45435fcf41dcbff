"""A real file system with one file, which stops answering when it is told to: what a dead network mount does.

It speaks the kernel's FUSE protocol (include/uapi/linux/fuse.h) as far as a program needs to be started from it.
"""

import ctypes
import errno
import multiprocessing
import os
import stat
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

FORGET, INTERRUPT, BATCH_FORGET = 2, 36, 42
NO_ANSWER = frozenset({FORGET, INTERRUPT, BATCH_FORGET})
LOOKUP, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT = 1, 3, 14, 15, 18, 25, 26
ROOT, FILE = 1, 2
MNT_DETACH = 2
MOST_BYTES = 1 << 20

SEPARATE = multiprocessing.get_context("fork")
_libc = ctypes.CDLL(None, use_errno=True)


class DeadFileSystem:
    """Mounted on `folder`, with `content` as the executable `program`, until the end of the `with` statement.

    Attributes:
        program: The path of its file.
        answers: Cleared to have nobody get an answer; set again to have all get theirs.
    """

    def __init__(self, folder: Path, content: bytes) -> None:
        self.program = folder / "program"
        self.answers = SEPARATE.Event()
        self.answers.set()
        self._folder = folder
        self._content = content
        self._device = os.open("/dev/fuse", os.O_RDWR)
        self._handlers: Mapping[int, Callable[[int, bytes], bytes | None]] = {
            INIT: self._init,
            LOOKUP: self._lookup,
            GETATTR: lambda node, _: struct.pack("<QII", 0, 0, 0) + self._attributes(node),
            OPEN: lambda _node, _: struct.pack("<QII", 0, 0, 0),
            READ: self._read,
            RELEASE: lambda _node, _: b"",
            FLUSH: lambda _node, _: b"",
        }
        # A process of its own: whoever starts a program holds up the threads beside it until the file was read.
        self._server = SEPARATE.Process(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _libc.mount(b"dead", os.fsencode(self._folder), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), "mounting failed")
        self._server.start()
        os.close(self._device)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.kill()
        self._server.join()
        _libc.umount2(os.fsencode(self._folder), MNT_DETACH)

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._device, MOST_BYTES + 4096)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                return  # it is mounted no longer
            self.answers.wait()
            _, code, unique, node = struct.unpack_from("<IIQQ", request)
            if code in NO_ANSWER:
                continue
            handler = self._handlers.get(code)
            body = handler(node, request[40:]) if handler else None
            failure = 0 if body is not None else -(errno.ENOENT if code == LOOKUP else errno.ENOSYS)
            answer = struct.pack("<IiQ", 16 + len(body or b""), failure, unique) + (body or b"")
            try:
                os.write(self._device, answer)
            except OSError:  # whoever asked was killed
                continue

    def _init(self, _node: int, request: bytes) -> bytes:
        _, _, readahead = struct.unpack_from("<III", request)
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, readahead, 0, 16, 12, MOST_BYTES, 1, 0, 0, 0)

    def _lookup(self, node: int, request: bytes) -> bytes | None:
        if node != ROOT or request.rstrip(b"\0") != os.fsencode(self.program.name):
            return None
        return struct.pack("<QQQQII", FILE, 0, 0, 0, 0, 0) + self._attributes(FILE)

    def _attributes(self, node: int) -> bytes:
        mode, size = (stat.S_IFDIR | 0o755, 0) if node == ROOT else (stat.S_IFREG | 0o755, len(self._content))
        blocks = (size + 511) // 512
        return struct.pack("<6Q10I", node, size, blocks, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _read(self, _node: int, request: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", request)
        return self._content[offset : offset + size]
