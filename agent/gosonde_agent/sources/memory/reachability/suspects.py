"""The goroutines that a scan looks at: what each waits for, what is its own, and what its stack holds."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.reachability.awaited import (
    UNKNOWN,
    Awaited,
    SudogLayout,
    awaited_channels,
    awaited_in_waiting,
)
from gosonde_agent.sources.memory.reachability.awaited_on_stacks import SEARCHED, LockFinder
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import Pointers
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, joined_numbers
from gosonde_agent.sources.memory.reachability.stacks import StackReader
from gosonde_agent.sources.memory.reachability.waiting import CHANNEL, LOCK, NEVER, Reasons
from gosonde_agent.sources.memory.reader import ProcessMemory


@dataclass(frozen=True, slots=True)
class Suspects:
    """The suspects of one scan, by their rows in its table of goroutines.

    Attributes:
        are: bool[goroutines]: those that are.
        awaited: (object, row): what they wait for; those that wait for nothing are in no pair.
        outside: (address, row) of what others wait for that is not in the heap, and so counts as live.
        own: (object, row), by object: a suspect's g and sudogs. Whoever points there does not hold the suspect.
        held: (object, row), by object: what their stacks point to.
    """

    are: Bools
    awaited: tuple[I64, I64]
    outside: tuple[U64, I64]
    own: tuple[I64, I64]
    held: tuple[I64, npt.NDArray[np.int32]]


class SuspectReader:
    """Reads suspects of one process."""

    def __init__(self, memory: ProcessMemory, layout: Layout, reasons: Reasons, stacks: StackReader) -> None:
        self._memory, self._layout, self._reasons, self._stacks = memory, layout, reasons, stacks
        self._sudog = SudogLayout(layout)

    def read(self, heap: HeapMap, goroutines: Goroutines, suspected: Bools, meter: Meter) -> Suspects:
        """What is to be known of those that are suspected.

        Of these, only goroutines become suspects that are blocked, and of which it is found what they wait for: a
        channel or a lock in the heap, or nothing at all.

        Raises:
            NotDecidedError: They are too many, or hold too much.
            GosondeError: The process has ended, or may not be read.
        """
        channels, locks, never = (self._reasons.are(sort, goroutines) & suspected for sort in (CHANNEL, LOCK, NEVER))
        found = Awaited.joined(
            [
                awaited_channels(self._memory, self._sudog, goroutines, np.flatnonzero(channels), meter),
                self._locks(heap, goroutines, np.flatnonzero(locks), meter),
            ]
        )
        objects = heap.numbers(found.address)
        known = never.copy()
        known[found.row] = True
        known[found.row[objects < 0]] = False
        outside = (objects < 0) & (found.address != UNKNOWN)
        kept, own = known[found.row], known[found.sudog_row]
        return Suspects(
            known,
            (objects[kept], found.row[kept]),
            (found.address[outside], found.row[outside]),
            self._own(heap, goroutines, known, found.sudog[own], found.sudog_row[own]),
            self._held(heap, goroutines, np.flatnonzero(known), meter),
        )

    def _locks(self, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter) -> Awaited:
        if not len(rows):
            return Awaited.joined([])
        if self._sudog.in_waiting:
            return awaited_in_waiting(self._memory, self._sudog, goroutines, rows, meter)
        near = list(self._stacks.all_pointers(heap, _innermost(goroutines), rows, meter))
        columns = zip(*((found.region, found.at, found.word, found.target) for found in near), strict=True)
        merged = Pointers(*(np.concatenate(column) for column in columns)) if near else None
        return (
            LockFinder(self._memory, self._layout, heap, meter).find(goroutines, merged)
            if merged
            else Awaited.joined([])
        )

    @staticmethod
    def _own(heap: HeapMap, goroutines: Goroutines, known: Bools, sudogs: U64, rows: I64) -> tuple[I64, I64]:
        itself = np.flatnonzero(known)
        objects = heap.numbers(np.concatenate((goroutines.at[itself], sudogs)))
        owner = np.concatenate((itself, rows))
        order = np.argsort(objects, kind="stable")
        order = order[objects[order] >= 0]
        return objects[order], owner[order]

    def _held(
        self, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter
    ) -> tuple[I64, npt.NDArray[np.int32]]:
        objects: list[I64] = []
        owners: list[I64] = []
        total = 0
        for found in self._stacks.pointers(heap, goroutines, rows, meter):
            total += len(found.target)
            meter.bound("pointers on stacks of blocked goroutines", total, meter.limits.stack_pointers)
            objects.append(found.target)
            owners.append(found.region)
        held = joined_numbers(objects)
        order = np.argsort(held, kind="stable")
        return held[order], joined_numbers(owners)[order].astype(np.int32)


def _innermost(goroutines: Goroutines) -> Goroutines:
    """With stacks that end where the search for sudogs does."""
    return replace(goroutines, high=np.minimum(goroutines.high, goroutines.used + SEARCHED))
