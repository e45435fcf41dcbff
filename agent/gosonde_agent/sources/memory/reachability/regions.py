"""Reads regions of memory as words, many at a time, into one buffer that is used again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gosonde_agent.sources.memory.errors import UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, Rows
from gosonde_agent.sources.memory.reader import ProcessMemory

#: What is read at a time, bytes.
WINDOW = 8 << 20
WORD = 8


@dataclass(frozen=True, slots=True)
class Window:
    """Some regions one behind the other. `words` is overwritten by the next window.

    Attributes:
        first: Number of the first region.
        starts: Address of each.
        ends: Place in `words` behind each.
    """

    words: U64
    first: int
    starts: U64
    ends: I64

    def places(self, indices: I64) -> tuple[I64, U64]:
        """(number of the region, address) of words by their places."""
        region = np.searchsorted(self.ends, indices, "right").astype(np.int64)
        begins = np.concatenate((np.zeros(1, np.int64), self.ends[:-1]))
        offsets = (indices - begins[region]).astype(np.uint64) * np.uint64(WORD)
        return region + self.first, self.starts[region] + offsets


@dataclass(frozen=True, slots=True)
class Pointers:
    """Words that point to or into objects of the heap.

    Attributes:
        region: Number of the region that each lies in.
        at: Its address.
        word: What it is.
        target: The object.
    """

    region: I64
    at: U64
    word: U64
    target: I64

    def selected(self, which: Bools) -> "Pointers":
        """Some of them."""
        return Pointers(self.region[which], self.at[which], self.word[which], self.target[which])


def split(starts: U64, sizes: I64) -> tuple[U64, I64]:
    """Regions of at most WINDOW bytes each that cover the same; sizes in bytes, of which multiples of 8 are taken."""
    sizes = np.maximum(sizes, 0) // WORD * WORD
    pieces = np.maximum((sizes + WINDOW - 1) // WINDOW, 1)
    within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begins = np.repeat(starts, pieces) + within.astype(np.uint64) * np.uint64(WINDOW)
    return begins, np.minimum(np.repeat(sizes, pieces) - within * WINDOW, WINDOW)


class RegionReader:
    """Reads regions of one process. What it has read stays in memory until `release`, for windows that follow."""

    def __init__(self, memory: ProcessMemory) -> None:
        self._memory = memory
        self._buffer: Rows | None = None

    def release(self) -> None:
        """No window is in use any more, and none follows soon."""
        self._buffer = None

    def windows(self, starts: U64, sizes: I64, meter: Meter) -> Iterator[Window]:
        """The words of regions of at most WINDOW bytes; addresses and sizes are multiples of 8.

        Raises:
            UnreadableMemoryError: One is not mapped.
            NotDecidedError: It is more than may be read.
            GosondeError: The process has ended, or may not be read.
        """
        ends = np.cumsum(sizes)
        first = 0
        while first < len(starts):
            before = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, before + WINDOW, "right")), first + 1)
            part = slice(first, last)
            meter.take(int(ends[last - 1]) - before)
            buffer = self._filled(starts[part].tolist(), sizes[part].tolist())
            places = (ends[part] - before) // WORD
            yield Window(buffer[: int(places[-1]) * WORD].view("<u8"), first, starts[part], places)
            first = last

    def pointers(self, starts: U64, sizes: I64, heap: HeapMap, meter: Meter) -> Iterator[Pointers]:
        """The words of regions that point into the heap, some at a time; regions may be of any size.

        The numbers of regions are those of the ones given. Raises as `windows`.
        """
        pieces = np.repeat(np.arange(len(starts)), np.maximum((sizes + WINDOW - 1) // WINDOW, 1))
        for window in self.windows(*split(starts, sizes), meter):
            places = np.flatnonzero(heap.near(window.words))
            words = window.words[places]
            targets = heap.numbers(words)
            hits = targets >= 0
            piece, at = window.places(places[hits])
            yield Pointers(pieces[piece], at, words[hits], targets[hits])

    def _filled(self, starts: list[int], sizes: list[int]) -> Rows:
        if self._buffer is None:
            self._buffer = np.empty(WINDOW, np.uint8)
        view, place = memoryview(self._buffer.data), 0
        for start, size in zip(starts, sizes, strict=True):
            if not self._memory.read_into(start, view[place : place + size]) and size:
                message = f"process {self._memory.pid} has no {size} readable bytes at {start:#x}"
                raise UnreadableMemoryError(message)
            place += size
        return self._buffer
