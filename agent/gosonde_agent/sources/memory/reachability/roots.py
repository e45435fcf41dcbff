"""Where everything that lives begins: all words outside of the heap, or in the Ps, from which a program can go on.

Stacks of the collector of garbage's own goroutines are none of them, nor is what else it keeps outside of the heap:
pointers there hold nothing, and many of them are old.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.special_kinds import special_kinds
from gosonde_agent.sources.memory.heap_proof import HeapAddresses
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.modules import Module, read_modules
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.processors import Processors, read_processors
from gosonde_agent.sources.memory.reachability.queues import queued, queues_of
from gosonde_agent.sources.memory.reachability.regions import Pointers, RegionReader
from gosonde_agent.sources.memory.reachability.registers import RegisterReader
from gosonde_agent.sources.memory.reachability.rows import Bools
from gosonde_agent.sources.memory.reachability.specials import SpecialReader
from gosonde_agent.sources.memory.reachability.stacks import StackReader
from gosonde_agent.sources.memory.target import Target

GLOBAL, STACK, PROCESSOR, SPECIAL, QUEUE, GOROUTINE = range(6)
COLLECTORS = ("bgsweep", "bgscavenge", "forcegchelper", "gcBgMarkWorker")


@dataclass(frozen=True, slots=True)
class RootPointers:
    """Pointers into the heap from one kind of root: GLOBAL, STACK, PROCESSOR, SPECIAL or QUEUE.

    For STACK the `region` of a pointer is the row of its goroutine.
    """

    kind: int
    pointers: Pointers


class RootReader:
    """Reads the roots of one process."""

    def __init__(self, target: Target, addresses: HeapAddresses, reader: RegionReader, stacks: StackReader) -> None:
        runtime, pclntab = target.runtime, target.pclntab
        self._runtime, self._reader, self._stacks = runtime, reader, stacks
        self._moduledata = pclntab.moduledata
        self._registers = RegisterReader(runtime, pclntab.architecture, reader)
        self._specials = SpecialReader(runtime, special_kinds(runtime.layout))
        self._queues = queues_of(runtime.layout, addresses)
        entries = [found.entry + runtime.bias for name in COLLECTORS if (found := pclntab.find(f"runtime.{name}"))]
        self._collectors = np.array(entries, np.uint64)

    def modules(self) -> list[Module]:
        """The program, and its plugins."""
        return list(read_modules(self._runtime, self._moduledata))

    def processors(self) -> Processors:
        """The Ps now."""
        return read_processors(self._runtime)

    def pointers(
        self, heap: HeapMap, goroutines: Goroutines, live: Bools, processors: Processors, meter: Meter
    ) -> Iterator[RootPointers]:
        """What all roots point to; of stacks those of the goroutines that are `live`.

        Raises:
            NotDecidedError: It is more than may be read.
            GosondeError: The process has ended, or what is there is inconsistent.
        """
        rows = np.flatnonzero(live & ~np.isin(goroutines.start_pc, self._collectors))
        for found in self._stacks.pointers(heap, goroutines, rows, meter):
            yield RootPointers(STACK, found)
        for found in self._registers.pointers(heap, goroutines, rows, meter):
            yield RootPointers(STACK, found)
        yield from self._globals(heap, meter)
        for kind, regions in ((PROCESSOR, processors.regions), (QUEUE, queued(self._runtime, self._queues))):
            for found in self._reader.pointers(*regions, heap, meter):
                yield RootPointers(kind, found)
        for found in self._specials.pointers(heap, meter):
            yield RootPointers(SPECIAL, found)

    def _globals(self, heap: HeapMap, meter: Meter) -> Iterator[RootPointers]:
        for part in [part for module in self.modules() for part in module.parts]:
            region = np.array([part.start], np.uint64), np.array([part.size], np.int64)
            for found in self._reader.pointers(*region, heap, meter):
                yield RootPointers(GLOBAL, found.selected(part.may_hold(found.at)))
