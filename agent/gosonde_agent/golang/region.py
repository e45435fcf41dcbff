"""A part of a binary's image that is read piece by piece, so that a large table costs no memory."""

import itertools
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.model.errors import MalformedBinaryError

BLOCK = 1 << 14
#: Of all regions together: 2 MiB.
MAX_BLOCKS = 128
SEARCH_CHUNK = 1 << 20


class _Blocks:
    """The blocks that were used last, of whatever region; to be used by any thread.

    A bound for each region would let memory grow with the number of files.
    """

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, region: int, start: int, read: Callable[[int], bytes]) -> bytes:
        """The block of a region that starts at an offset; `read` reads it when it is not there."""
        key = region, start
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = read(start)  # not under the lock: a file system may hold up whoever reads from it
        with self._lock:
            self._blocks[key] = block
            if len(self._blocks) > MAX_BLOCKS:
                self._blocks.popitem(last=False)
        return block


_blocks = _Blocks()
_numbers = itertools.count()


class Region:
    """`size` bytes of an image from the link-time address `vaddr` on. Offsets count from its beginning.

    What was read last stays in memory, for all regions together at most MAX_BLOCKS blocks of BLOCK bytes.
    """

    def __init__(self, image: ElfImage, vaddr: int, size: int) -> None:
        self.vaddr = vaddr
        self.size = size
        self._image = image
        self._number = next(_numbers)

    def whole(self, offset: int, size: int) -> bytes:
        """`size` bytes, which are not kept.

        Raises:
            MalformedBinaryError: They do not lie inside.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise MalformedBinaryError(
                f"{size} bytes at offset {offset} of the table at {self.vaddr:#x} lie outside it: it has {self.size}"
            )
        return self._image.read(self.vaddr + offset, size)

    def block(self, offset: int) -> tuple[bytes, int]:
        """(a block of bytes, where in it the byte at an offset is). The block may end anywhere behind that byte."""
        if not 0 <= offset < self.size:
            raise MalformedBinaryError(
                f"offset {offset} lies outside the table at {self.vaddr:#x}, of {self.size} bytes"
            )
        start = offset - offset % BLOCK
        return _blocks.get(self._number, start, self._read_block), offset - start

    def _read_block(self, start: int) -> bytes:
        return self._image.read(self.vaddr + start, min(BLOCK, self.size - start))

    def read(self, offset: int, size: int) -> bytes:
        """A few bytes."""
        block, position = self.block(offset)
        if size <= len(block) - position:
            return block[position : position + size]
        return self.whole(offset, size)

    def u32(self, offset: int) -> int:
        """An unsigned 32-bit number."""
        return int.from_bytes(self.read(offset, 4), "little")

    def string(self, offset: int, limit: int) -> str:
        """The text up to the next zero byte.

        Raises:
            MalformedBinaryError: It is longer than `limit` bytes, or lies outside.
        """
        block, position = self.block(offset)
        end = block.find(b"\0", position)
        if end < 0:
            block, position = self.whole(offset, min(limit + 1, self.size - offset)), 0
            end = block.find(b"\0")
        if not 0 <= end - position <= limit:
            raise MalformedBinaryError(f"the text at offset {offset} of the table at {self.vaddr:#x} does not end")
        return block[position:end].decode("utf-8", "replace")

    def find(self, needle: bytes, start: int, end: int) -> int:
        """Offset of the first occurrence between two offsets; -1 when there is none."""
        for chunk in range(start, end, SEARCH_CHUNK):
            data = self.whole(chunk, min(SEARCH_CHUNK + len(needle) - 1, end - chunk))
            position = data.find(needle)
            if position >= 0:
                return chunk + position
        return -1
