"""What the heap's specials hold: objects that a finalizer or a weak pointer brings back, and functions to be called."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.special_kinds import SpecialKinds
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.limits import Meter, NotDecidedError
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import Pointers
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, Rows, numbers, words
from gosonde_agent.sources.memory.runtime import Runtime


@dataclass(frozen=True, slots=True)
class _Block:
    """Some specials, a row each, and the spans in whose lists they are."""

    at: U64
    rows: Rows
    span: I64


class SpecialReader:
    """Reads the specials of one process.

    The object of a finalizer is handed to it, and the object of a weak pointer to whoever asks, so these are roots, as
    are functions of finalizers and cleanups. Objects of cleanups and of samples of the memory profile are not.
    """

    def __init__(self, runtime: Runtime, kinds: SpecialKinds) -> None:
        self._runtime = runtime
        self._known, self._strong = sorted(kinds.known), [kinds.finalizer, kinds.weak_handle]
        self._at = {name: runtime.layout.offset("special", name) for name in ("next", "offset", "kind")}
        self._size, self._read = runtime.layout.size("special"), max(self._at.values()) + 8
        self._offset_size = 2 if self._at["kind"] - self._at["offset"] == 2 else 8
        self._parts = _holding_parts(runtime.layout, kinds, self._size)

    def pointers(self, heap: HeapMap, meter: Meter) -> Iterator[Pointers]:
        """What the specials point to, some at a time; `region` is 0.

        Raises:
            NotDecidedError: They are too many, or of a kind that is not known.
            ImplausibleMemoryError: A list leads to what is not mapped.
        """
        for block in self._blocks(heap, meter):
            kind = block.rows[:, self._at["kind"]]
            if not np.isin(kind, self._known).all():
                raise NotDecidedError(f"process {self._runtime.pid} has a special of kind {int(kind.max())}: not known")
            yield _pointers(heap, block.at, self._objects(heap, block, np.isin(kind, self._strong)))
            for kinds, size in self._parts:
                yield from self._held(heap, block.at[kind == kinds], size, meter)

    def _blocks(self, heap: HeapMap, meter: Meter) -> Iterator[_Block]:
        """A special of each span, then the next of each, until all lists have ended."""
        span = np.flatnonzero(heap.spans.specials)
        at, seen = heap.spans.specials[span], 0
        while len(at):
            seen += len(at)
            meter.bound("finalizers, cleanups and weak pointers", seen, meter.limits.specials)
            meter.take(len(at) * self._read)
            rows, whole = self._runtime.memory.read_each(at, self._read)
            if not whole.all():
                raise ImplausibleMemoryError(f"a special of process {self._runtime.pid} is not mapped")
            yield _Block(at, rows, span)
            at = words(rows, self._at["next"])
            at, span = at[at != 0], span[at != 0]

    def _objects(self, heap: HeapMap, block: _Block, strong: Bools) -> U64:
        """uint64[n]: the addresses that these specials are of; 0 for one that does not hold its object."""
        offset = numbers(block.rows, self._at["offset"], self._offset_size).astype(np.uint64)
        return np.where(strong, heap.spans.start[block.span] + offset, np.uint64(0))

    def _held(self, heap: HeapMap, at: U64, size: int, meter: Meter) -> Iterator[Pointers]:
        """What the words behind the header of some specials point to."""
        meter.take(len(at) * size)
        rows, whole = self._runtime.memory.read_each(at + np.uint64(self._size), size)
        if not whole.all():
            raise ImplausibleMemoryError(f"a special of process {self._runtime.pid} is not mapped")
        for offset in range(0, size - 7, 8):
            yield _pointers(heap, at, words(rows, offset))


def _holding_parts(layout: Layout, kinds: SpecialKinds, header: int) -> tuple[tuple[int, int], ...]:
    """(kind, bytes behind the header) of the specials that hold more than an object."""
    parts = [(kinds.finalizer, layout.size("specialfinalizer") - header)]
    if kinds.cleanup:
        parts.append((kinds.cleanup, layout.size("specialCleanup") - header))
    return tuple(parts)


def _pointers(heap: HeapMap, at: U64, found: U64) -> Pointers:
    targets = heap.numbers(found)
    hits = targets >= 0
    return Pointers(np.zeros(int(hits.sum()), np.int64), at[hits], found[hits], targets[hits])
