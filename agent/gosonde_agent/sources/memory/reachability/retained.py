"""The heap that leaked goroutines alone retain: a lower bound, for what somebody else may reach is not counted.

Forward from the stacks of the leaked goroutines through all objects, then one pass over the heap and the roots for who
else points to these; what those lead to is left out. An object that the search has not come to holds like any other:
a search that ends early finds less, never too much.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gosonde_agent.sources.memory.reachability.adjacency import Adjacency
from gosonde_agent.sources.memory.reachability.allocated import allocated
from gosonde_agent.sources.memory.reachability.bitmap import Bitmap
from gosonde_agent.sources.memory.reachability.heap_pass import pointerful, pointers_to
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.processors import Processors
from gosonde_agent.sources.memory.reachability.regions import Pointers, RegionReader
from gosonde_agent.sources.memory.reachability.roots import RootPointers
from gosonde_agent.sources.memory.reachability.rows import I64, U64, joined_numbers, words
from gosonde_agent.sources.memory.runtime import Runtime

#: Objects and levels after which the search forward ends. Each object takes some 40 bytes here, each pointer 16.
MAX_OBJECTS = 2_000_000
MAX_LEVELS = 512


@dataclass(frozen=True, slots=True)
class Leaked:
    """The leaked goroutines of one process.

    Attributes:
        at: Addresses of their g's.
        group: int64[goroutines]: by row, to which group (of a `go` statement) a leaked one belongs.
        held: What their stacks point to; the region is the row.
    """

    at: U64
    group: I64
    held: Iterable[Pointers]


class Retention:
    """Works out once what the leaked goroutines of one process retain."""

    def __init__(self, runtime: Runtime, reader: RegionReader, heap: HeapMap, meter: Meter) -> None:
        self._memory, self._reader, self._heap, self._meter = runtime.memory, reader, heap, meter
        self._sudog = runtime.layout.size("sudog")
        self._seen = Bitmap(heap.count)
        self._edges: list[tuple[I64, I64]] = []
        self._count = 0

    def retained(self, leaked: Leaked, processors: Processors, roots: Iterable[RootPointers], groups: int) -> I64:
        """int64[groups]: bytes that the goroutines of each group alone retain, at least.

        What those of several groups retain together counts for none.

        Args:
            roots: What all roots point to but the stacks of the leaked.

        Raises:
            NotDecidedError: It takes more than the limits allow.
            GosondeError: The process has ended, or may not be read.
        """
        themselves = self._heap.numbers(leaked.at)
        first, group = self._first(leaked, themselves)
        objects = self._forward(first, themselves)
        place = np.searchsorted(objects, first)
        sudogs = self._sudogs(objects, leaked.at)
        inner = Adjacency(*self._inner(objects), len(objects))
        others = np.concatenate((self._held_in_heap(objects, themselves, processors), self._held_by(objects, roots)))
        others = others[~np.isin(others, sudogs)]
        label = inner.labelled(place, group, self._meter)
        label[inner.reached(others, self._meter)] = -1
        size = self._heap.extent(objects)[1].astype(np.int64)
        return np.array([int(size[label == number].sum()) for number in range(groups)], np.int64)

    def _first(self, leaked: Leaked, themselves: I64) -> tuple[I64, I64]:
        """(objects that the stacks point to, the group of each)."""
        found = [(part.target, leaked.group[part.region]) for part in leaked.held]
        objects, group = (joined_numbers([pair[side] for pair in found]) for side in (0, 1))
        some = ~np.isin(objects, themselves)
        some[some] = allocated(self._memory, self._heap, objects[some])
        return objects[some], group[some]

    def _forward(self, first: I64, themselves: I64) -> I64:
        """int64[n]: the objects that some lead to, in order."""
        front, total = np.unique(first), 0
        parts = []
        for _ in range(MAX_LEVELS):
            total += len(front)
            if not len(front) or total > MAX_OBJECTS:
                break
            self._seen.add(front)
            parts.append(front)
            front = self._next(front[~self._heap.spans.noscan[self._heap.span_of(front)]])
            front = front[~np.isin(front, themselves)]
        return np.sort(joined_numbers(parts))

    def _next(self, front: I64) -> I64:
        """The objects that some point to and that were not seen before."""
        start, size = self._heap.extent(front)
        fresh = []
        for found in self._reader.pointers(start, size.astype(np.int64), self._heap, self._meter):
            self._edges.append((front[found.region], found.target))
            self._count += len(found.target)
            self._meter.bound("pointers in what leaked goroutines reach", self._count, self._meter.limits.edges)
            fresh.append(np.unique(found.target[~self._seen.has(found.target)]))
        objects = np.unique(joined_numbers(fresh))
        return objects[allocated(self._memory, self._heap, objects)]

    def _inner(self, objects: I64) -> tuple[I64, I64]:
        """(holders, what they hold): the pointers between the objects, by their places."""
        holders, held = (joined_numbers([edge[side] for edge in self._edges]) for side in (0, 1))
        some = self._seen.has(held)
        holders, held = np.searchsorted(objects, holders[some]), np.searchsorted(objects, held[some])
        return holders, held

    def _sudogs(self, objects: I64, at: U64) -> I64:
        """Places of the sudogs by which the leaked wait: the runtime's tables of waiters lead there too."""
        start, size = self._heap.extent(objects)
        small = np.flatnonzero((size >= np.uint64(self._sudog)) & (size < np.uint64(2 * self._sudog)))
        self._meter.take(8 * len(small))
        rows, _whole = self._memory.read_each(start[small], 8)
        return small[np.isin(words(rows, 0), at)]

    def _held_in_heap(self, objects: I64, themselves: I64, processors: Processors) -> I64:
        """Places of the objects that others in the heap point to: neither leaked g's, nor Ps, which are roots."""
        parts = []
        if len(objects):
            for found in pointers_to(self._reader, self._heap, pointerful(self._heap.spans), objects, self._meter):
                holders = self._heap.numbers(found.at)
                outside = (holders >= 0) & ~self._seen.has(np.maximum(holders, 0)) & ~np.isin(holders, themselves)
                outside &= ~processors.holds(found.at)
                outside[outside] = allocated(self._memory, self._heap, holders[outside])
                parts.append(np.unique(np.searchsorted(objects, found.target[outside])))
        return joined_numbers(parts)

    def _held_by(self, objects: I64, roots: Iterable[RootPointers]) -> I64:
        parts = []
        for root in roots:
            target = np.unique(root.pointers.target)
            parts.append(np.searchsorted(objects, target[self._seen.has(target)]))
        return joined_numbers(parts)
