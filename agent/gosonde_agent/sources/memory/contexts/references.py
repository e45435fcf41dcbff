"""Who points to some objects: every pointer to them in the heap, on stacks and in other roots."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from gosonde_agent.sources.memory.contexts.pointer_words import Passed
from gosonde_agent.sources.memory.reachability.bitmap import Bitmap
from gosonde_agent.sources.memory.reachability.heap_pass import pointerful, pointers_to
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import Pointers, RegionReader
from gosonde_agent.sources.memory.reachability.roots import STACK, RootPointers
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, among, words
from gosonde_agent.sources.memory.reader import ProcessMemory

NOBODY = -1
WORD = np.uint64(8)


@dataclass(frozen=True, slots=True)
class References:
    """Pointers, a row each.

    Attributes:
        target: Number of the object that it leads to.
        at: Its address.
        word: What it is.
        before: The word before it: if both are an interface's, that says which type the object has.
        holder: Number of the object that it lies in; NOBODY outside of the heap.
        goroutine: Row of the goroutine on whose stack it lies; NOBODY elsewhere.
    """

    target: I64
    at: U64
    word: U64
    before: U64
    holder: I64
    goroutine: I64

    def __len__(self) -> int:
        return len(self.at)

    def selected(self, which: Bools | I64) -> "References":
        """Some rows."""
        return References(*(getattr(self, field.name)[which] for field in fields(References)))


class ReferenceReader:
    """Looks for them in one process; what roots point to is noted in `rooted` meanwhile."""

    def __init__(self, memory: ProcessMemory, reader: RegionReader, heap: HeapMap, meter: Meter) -> None:
        self._memory, self._reader, self._heap, self._meter = memory, reader, heap, meter
        self.rooted = Bitmap(heap.count)

    def read(self, targets: I64, roots: Iterable[RootPointers], passed: Passed) -> References:
        """All pointers to some objects, which are given in order.

        Raises:
            NotDecidedError: They are too many.
            GosondeError: The process has ended, or may not be read.
        """
        parts = [_none(), *(self._in_root(root, targets) for root in roots)]
        if len(targets):
            regions = pointerful(self._heap.spans)
            found = pointers_to(self._reader, self._heap, regions, targets, self._meter)
            parts += [self._in_heap(pointers, passed) for pointers in found]
        self._meter.bound("pointers to contexts", sum(map(len, parts)), self._meter.limits.edges)
        columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(References)]
        return self._with_words_before(References(*columns))

    def _in_root(self, root: RootPointers, targets: I64) -> References:
        self.rooted.add(root.pointers.target)
        found = root.pointers.selected(among(root.pointers.target, targets))
        nobody = np.full(len(found.at), NOBODY, np.int64)
        return _references(found, nobody, found.region if root.kind == STACK else nobody)

    def _in_heap(self, found: Pointers, passed: Passed) -> References:
        holders = self._heap.numbers(found.at)
        some = (holders >= 0) & ~passed.holds(found.at)
        return _references(found.selected(some), holders[some], np.full(int(some.sum()), NOBODY, np.int64))

    def _with_words_before(self, found: References) -> References:
        """Both words of each read together: those that lead elsewhere by now are left out."""
        rows, _whole = self._memory.read_each(found.at - WORD, 16)
        stays = words(rows, 8) == found.word
        return replace(found, before=words(rows, 0)).selected(stays)


def _references(found: Pointers, holder: I64, goroutine: I64) -> References:
    nothing = np.zeros(len(found.at), np.uint64)
    return References(found.target, found.at, found.word, nothing, holder, goroutine.astype(np.int64))


def _none() -> References:
    address, number = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return References(number, address, address, address, number, number)
