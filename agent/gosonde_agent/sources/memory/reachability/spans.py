"""The spans of the heap, read from runtime.mheap_.allspans: where objects of which size lie."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.rows import ADDRESS_LIMIT, I64, U64, Bools, Rows, numbers, words
from gosonde_agent.sources.memory.runtime import Runtime

PAGE_BITS = 13
PAGE = 1 << PAGE_BITS
#: mspan.state of a span that holds objects (mSpanInUse).
IN_USE = 1
BLOCK = 1 << 15
FIELDS = ("startAddr", "npages", "elemsize", "nelems", "freeindex", "allocBits", "specials", "spanclass", "state")
WORD = 8
#: Spans that are freed and used again while they are read overlap; they are read again so often.
ATTEMPTS = 4


U32 = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans that hold objects, by address; no two overlap.

    Attributes:
        at: Address of the mspan.
        start: Address of the first object.
        pages: How many pages of 8 KiB each has.
        element: Size of an object, bytes.
        count: Objects that fit.
        free_index: The first object that may be free.
        alloc_bits: Address of the bits that say which of those behind are not.
        specials: Address of the first special, 0 where there is none.
        noscan: Its objects hold no pointers.
        bits_at: Where the mspan has `alloc_bits`, which a collection replaces.
    """

    at: U64
    start: U64
    pages: U32
    element: U64
    count: U32
    free_index: U32
    alloc_bits: U64
    specials: U64
    noscan: Bools
    bits_at: U64

    def __len__(self) -> int:
        return len(self.start)

    @property
    def end(self) -> U64:
        """Where each ends."""
        return self.start + (self.pages.astype(np.uint64) << np.uint64(PAGE_BITS))

    def selected(self, which: Bools | I64) -> "Spans":
        """Some of them."""
        return Spans(*(getattr(self, field.name)[which] for field in fields(Spans)))

    def joined(self, other: "Spans") -> "Spans":
        """Both, by address."""
        start = np.concatenate((self.start, other.start))
        order = np.argsort(start, kind="stable")
        columns = [np.concatenate((getattr(self, field.name), getattr(other, field.name))) for field in fields(Spans)]
        return Spans(*(column[order] for column in columns))


class SpanReader:
    """Reads the spans of one process."""

    def __init__(self, runtime: Runtime, mheap: int) -> None:
        """`mheap` is the link-time address of runtime.mheap_."""
        self._runtime = runtime
        self._allspans = mheap + runtime.layout.offset("mheap", "allspans")
        self._at = {name: runtime.layout.offset("mspan", name) for name in FIELDS}
        self._size = max(self._at.values()) + WORD
        # Until Go 1.21 the counts of objects are 8 bytes wide.
        self._count_size = 8 if self._at["nelems"] - self._at["freeindex"] == 8 else 2

    def read(self, meter: Meter) -> Spans:
        """All spans that hold objects.

        Raises:
            NotDecidedError: They are too many.
            ImplausibleMemoryError: What is there cannot be a list of spans, or they overlap.
            GosondeError: The process has ended, or may not be read.
        """
        found = self._read(self._pointers(meter), meter)
        for _ in range(ATTEMPTS):
            clash = _overlapping(found)
            if not clash.any():
                return found
            found = found.selected(~clash).joined(self._read(np.unique(found.at[clash]), meter))
        raise ImplausibleMemoryError(f"spans of the heap of process {self._runtime.pid} overlap")

    def _pointers(self, meter: Meter) -> U64:
        memory = self._runtime.memory
        header = np.frombuffer(memory.read(self._allspans + self._runtime.bias, 24), "<u8").tolist()
        pointer, count, capacity = header
        if not 0 < count <= capacity < 1 << 32:
            raise ImplausibleMemoryError(f"process {memory.pid} claims to have {count} spans, and room for {capacity}")
        meter.bound("spans", count, meter.limits.spans)
        meter.take(count * 8)
        return np.frombuffer(memory.read(pointer, count * 8), "<u8").astype(np.uint64)

    def _read(self, pointers: U64, meter: Meter) -> Spans:
        none = np.zeros(0, np.uint64)
        found = self._parsed(none, np.zeros((0, self._size), np.uint8), np.zeros(0, np.bool_))
        parts = [found]
        for begin in range(0, len(pointers), BLOCK):
            block = pointers[begin : begin + BLOCK]
            meter.take(len(block) * self._size)
            parts.append(self._parsed(block, *self._runtime.memory.read_each(block, self._size)))
        columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Spans)]
        order = np.argsort(columns[1], kind="stable")
        return Spans(*(column[order] for column in columns))

    def _parsed(self, pointers: U64, rows: Rows, whole: Bools) -> Spans:
        at = self._at
        start, pages, element = words(rows, at["startAddr"]), words(rows, at["npages"]), words(rows, at["elemsize"])
        count, free = (numbers(rows, at[name], self._count_size) for name in ("nelems", "freeindex"))
        spans = Spans(
            pointers,
            start,
            pages.astype(np.uint32),
            element,
            count.astype(np.uint32),
            np.clip(free, 0, 1 << 31).astype(np.uint32),
            words(rows, at["allocBits"]),
            words(rows, at["specials"]),
            rows[:, at["spanclass"]] & 1 == 1,
            pointers + np.uint64(at["allocBits"]),
        )
        used = whole & (rows[:, at["state"]] == IN_USE)
        if not _plausible(start, pages, element, count)[used].all():
            raise ImplausibleMemoryError(f"a span of the heap of process {self._runtime.pid} is inconsistent")
        return spans.selected(used)


def _plausible(start: U64, pages: U64, element: U64, count: npt.NDArray[np.int64]) -> Bools:
    sane = (pages > 0) & (pages < 1 << 31) & (start > 0) & (start < ADDRESS_LIMIT)
    sane &= start % np.uint64(PAGE) == 0
    size = np.where(sane, pages, np.uint64(1)) << np.uint64(PAGE_BITS)
    sane &= (element > 0) & (element <= size) & (count > 0)
    fits = np.where(sane, size // np.maximum(element, np.uint64(1)), np.uint64(0)).astype(np.int64)
    plausible: Bools = sane & (count <= fits) & (start + size <= ADDRESS_LIMIT)
    return plausible


def _overlapping(spans: Spans) -> Bools:
    """Which of the spans, in order of their addresses, share memory with another one."""
    clash = np.zeros(len(spans), np.bool_)
    if not len(spans):
        return clash
    reached = np.maximum.accumulate(spans.end)
    late = spans.start[1:] < reached[:-1]
    clash[1:] |= late
    clash[:-1] |= late
    return clash
