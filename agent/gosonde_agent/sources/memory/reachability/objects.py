"""Which object of the heap an address lies in: by a table of its pages, 4 bytes for each 8 KiB.

Objects are numbered from 0 by the order of their addresses. Where address ranges lie apart, the table covers only the
arenas (64 MiB) that have spans.
"""

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools
from gosonde_agent.sources.memory.reachability.spans import PAGE_BITS, Spans

ARENA_BITS = 26
PAGES_BITS = ARENA_BITS - PAGE_BITS
#: Most spans have no more.
FEW_PAGES = 8
U8 = npt.NDArray[np.uint8]


class HeapMap:
    """The objects of one process's heap, as its spans were when they were read."""

    def __init__(self, spans: Spans, meter: Meter) -> None:
        """Raises NotDecidedError where there are too many objects."""
        self.spans = spans
        ends = np.cumsum(spans.count.astype(np.int64))
        self.count = int(ends[-1]) if len(ends) else 0
        meter.bound("objects", self.count, meter.limits.objects)
        self._first = ends - spans.count
        low = int(spans.start[0]) if len(spans) else 0
        self.low = low >> ARENA_BITS << ARENA_BITS
        self.size = (int(spans.end[-1]) if len(spans) else 0) - self.low
        self._slots = self._arenas()
        meter.bound("bytes of heap", int(self._slots.max()) << ARENA_BITS, meter.limits.heap_bytes)
        self._table = self._pages()

    def _arenas(self) -> npt.NDArray[np.int32]:
        """By arena from the lowest on, which part of the table is its own; part 0 is that of arenas without spans."""
        slots = np.zeros((self.size >> ARENA_BITS) + 1, np.int32)
        first = (self.spans.start - np.uint64(self.low)) >> np.uint64(ARENA_BITS)
        last = (self.spans.end - np.uint64(self.low + 1)) >> np.uint64(ARENA_BITS)
        used = np.zeros(len(slots) + 1, np.int32)
        np.add.at(used, first.astype(np.int64), 1)
        np.add.at(used, last.astype(np.int64) + 1, -1)
        has = np.flatnonzero(np.cumsum(used[:-1]) > 0)
        slots[has] = np.arange(1, len(has) + 1)
        return slots

    def _pages(self) -> npt.NDArray[np.int32]:
        """By page, the span, or -1."""
        table = np.full((int(self._slots.max()) + 1) << PAGES_BITS, -1, np.int32)
        pages = self.spans.pages.astype(np.int64)
        first = self.page_of(self.spans.start)
        # Arenas that a span reaches over lie side by side in the table.
        table[first] = np.arange(len(pages), dtype=np.int32)
        for page in range(1, FEW_PAGES):
            some = np.flatnonzero(pages > page)
            table[first[some] + page] = some
        for span in np.flatnonzero(pages > FEW_PAGES).tolist():
            table[first[span] : first[span] + pages[span]] = span
        return table

    def page_of(self, addresses: U64) -> I64:
        """Places in tables of pages, of addresses that are not below `low` nor `size` bytes or more above it."""
        offsets = (addresses - np.uint64(self.low)).astype(np.int64)
        parts = self._slots[offsets >> ARENA_BITS].astype(np.int64)
        pages: I64 = (parts << PAGES_BITS) | ((offsets >> PAGE_BITS) & ((1 << PAGES_BITS) - 1))
        return pages

    def near(self, words: U64) -> Bools:
        """Which words may point into the heap: a quick look, to be followed by `numbers`."""
        near: Bools = words - np.uint64(self.low) < np.uint64(self.size)
        return near

    def page_marks(self, numbers: I64) -> U8:
        """By page, 1 where one of these objects has a byte."""
        marks = np.zeros(len(self._table), np.uint8)
        start, size = self.extent(numbers)
        first, last = self.page_of(start), self.page_of(start + (size - np.uint64(1)))
        marks[first] = 1
        marks[last] = 1
        long = last - first > 1
        for begin, end in zip(first[long].tolist(), last[long].tolist(), strict=True):
            marks[begin:end] = 1
        return marks

    def numbers(self, words: U64) -> I64:
        """int64[n]: the object that each word points to or into; -1 where it is none."""
        inside = self.near(words)
        span = np.where(inside, self._table[self.page_of(np.where(inside, words, np.uint64(self.low)))], -1)
        found = span >= 0
        span = np.where(found, span, 0)
        if not len(self.spans):
            return np.full(len(words), -1, np.int64)
        index = ((words - self.spans.start[span]) // self.spans.element[span]).astype(np.int64)
        found &= (index >= 0) & (index < self.spans.count[span])
        return np.where(found, self._first[span] + index, -1)

    def span_of(self, numbers: I64) -> I64:
        """Places in `spans` of objects."""
        return np.searchsorted(self._first, numbers, "right").astype(np.int64) - 1

    def extent(self, numbers: I64) -> tuple[U64, U64]:
        """(address, size in bytes) of objects."""
        span = self.span_of(numbers)
        size = self.spans.element[span]
        return self.spans.start[span] + (numbers - self._first[span]).astype(np.uint64) * size, size

    def index(self, numbers: I64) -> tuple[I64, I64]:
        """(place of the span in `spans`, place of the object in it)."""
        span = self.span_of(numbers)
        return span, numbers - self._first[span]
