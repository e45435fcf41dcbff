"""The first spans of a heap, read twice and held against what the allocator keeps of every span: a proof of mheap_."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.reader import ADDRESS_LIMIT
from gosonde_agent.sources.memory.runtime import Runtime

#: runtime.pageSize.
GO_PAGE = 8_192
#: runtime.mSpanState.
IN_USE = 1
STATES = 3
#: The spans of a heap of 2 TiB.
MAX_SPANS = 1 << 28
#: So many of the first spans are read, some 160 bytes each. What a program allocates first stays in them.
SPANS_READ = 1 << 14
#: An object of more than HEADER_FROM bytes may begin behind a header of its type.
HEADER, HEADER_FROM = 8, 512

U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SpanSample:
    """Spans in use that did not change while they were read, in order of their addresses; none overlaps another.

    Attributes:
        starts, ends: Where each begins and ends: uint64[n].
        sizes: Bytes of an object in each: uint64[n].
        specials: The first special of each, or 0: uint64[n].
        is_whole: No other span existed.
    """

    starts: U64
    ends: U64
    sizes: U64
    specials: U64
    is_whole: bool

    def index_of(self, address: int) -> int | None:
        """Which span holds an address; None when none does."""
        index = int(np.searchsorted(self.starts, np.uint64(address), "right")) - 1
        return index if index >= 0 and address < int(self.ends[index]) else None

    def begins_object(self, address: int, size: int) -> bool:
        """Whether an object of at least `size` bytes begins at an address."""
        index = self.index_of(address)
        if index is None or int(self.sizes[index]) < size:
            return False
        inside = (address - int(self.starts[index])) % int(self.sizes[index])
        return inside == 0 or (inside == HEADER and int(self.sizes[index]) > HEADER_FROM)


_NONE = np.zeros(0, np.uint64)
NO_SPANS = SpanSample(_NONE, _NONE, _NONE, _NONE, is_whole=False)


def sample_spans(runtime: Runtime, mheap: int) -> SpanSample | None:
    """The first spans of the mheap at a link-time address; None when what stands there is no list of spans.

    Raises:
        UnsupportedBinaryError: Where the version keeps what is not known.
        UnreadableMemoryError: The address is not mapped.
        NoSuchProcessError: The process has ended, or runs another program.
    """
    allspans = mheap + runtime.layout.offset("mheap", "allspans")
    pointer, length, capacity = (runtime.number(allspans + 8 * word) for word in range(3))
    if not (0 < length <= capacity <= MAX_SPANS and 0 < pointer < ADDRESS_LIMIT and pointer % 8 == 0):
        return None
    raw = runtime.memory.read(pointer, min(length, SPANS_READ) * 8)
    pointers = np.frombuffer(raw, "<u8").astype(np.uint64)
    if np.any(pointers % np.uint64(8)) or len(np.unique(pointers)) != len(pointers):
        return None
    size = runtime.layout.size("mspan")
    before, after = (runtime.memory.read_each(pointers, size) for _ in range(2))
    if not (before[1].all() and after[1].all()):
        return None
    columns = [_Columns.of(rows, runtime.layout) for rows, _whole in (before, after)]
    return _checked(*columns, is_whole=length <= SPANS_READ)


def numbers(rows: npt.NDArray[np.uint8], at: int, size: int = 8) -> U64:
    """uint64[n]: the number of up to 8 bytes at an offset of each row; what lies outside of the row counts as 0."""
    wide = np.zeros((len(rows), 8), np.uint8)
    part = rows[:, at : at + max(min(size, 8), 0)]
    wide[:, : part.shape[1]] = part
    return wide.view("<u8")[:, 0].astype(np.uint64)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What is read of spans, by field: uint64[n]."""

    start: U64
    pages: U64
    size: U64
    count: U64
    free: U64
    state: U64
    bits: U64
    specials: U64

    @classmethod
    def of(cls, rows: npt.NDArray[np.uint8], layout: Layout) -> Self:
        """Of mspans, uint8[n, size]."""
        # freeindex and nelems stand one behind the other: 8 bytes wide each up to Go 1.21, 2 since.
        width = layout.offset("mspan", "nelems") - layout.offset("mspan", "freeindex")
        return cls(
            start=numbers(rows, layout.offset("mspan", "startAddr")),
            pages=numbers(rows, layout.offset("mspan", "npages")),
            size=numbers(rows, layout.offset("mspan", "elemsize")),
            count=numbers(rows, layout.offset("mspan", "nelems"), width),
            free=numbers(rows, layout.offset("mspan", "freeindex"), width),
            state=numbers(rows, layout.offset("mspan", "state"), 1),
            bits=numbers(rows, layout.offset("mspan", "allocBits")),
            specials=numbers(rows, layout.offset("mspan", "specials")),
        )

    def fixed(self) -> tuple[U64, ...]:
        """What changes only with a span's use."""
        return self.start, self.pages, self.size, self.count, self.state


def _checked(before: _Columns, now: _Columns, *, is_whole: bool) -> SpanSample | None:
    steady = np.logical_and.reduce([then == later for then, later in zip(before.fixed(), now.fixed(), strict=True)])
    used = np.flatnonzero(steady & (now.state == IN_USE))
    used = used[np.argsort(now.start[used], kind="stable")]
    if not len(used) or np.any(now.state >= STATES) or not _are_spans(now, used):
        return None
    ends = now.start[used] + now.pages[used] * np.uint64(GO_PAGE)
    if np.any(now.start[used][1:] < ends[:-1]):
        return None
    return SpanSample(now.start[used], ends, now.size[used], now.specials[used], is_whole)


def _are_spans(now: _Columns, used: npt.NDArray[np.int64]) -> bool:
    """Whether all of them hold what a span in use must."""
    start, pages, size, count = (column[used] for column in (now.start, now.pages, now.size, now.count))
    limit, page = np.uint64(ADDRESS_LIMIT), np.uint64(GO_PAGE)
    possible = (start > 0) & (start < limit) & (start % page == 0) & (pages > 0) & (pages < limit // page)
    possible &= (size > 0) & (size < limit) & (count > 0) & (now.free[used] <= count)
    possible &= (now.bits[used] > 0) & (now.bits[used] % np.uint64(8) == 0) & (now.specials[used] % np.uint64(8) == 0)
    if not possible.all():
        return False
    return bool((count <= pages * page // size).all())
