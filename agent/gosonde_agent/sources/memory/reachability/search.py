"""The search backwards: from what suspects wait for to its holders, and to theirs, until there are no new ones."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.sources.memory.reachability.allocated import allocated
from gosonde_agent.sources.memory.reachability.bitmap import Bitmap
from gosonde_agent.sources.memory.reachability.graph import Graph
from gosonde_agent.sources.memory.reachability.heap_pass import pointers_to
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.processors import Processors
from gosonde_agent.sources.memory.reachability.regions import RegionReader
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, among
from gosonde_agent.sources.memory.reachability.suspects import Suspects
from gosonde_agent.sources.memory.reader import ProcessMemory


@dataclass(slots=True)
class Found:
    """What a search came to.

    Attributes:
        graph: Nodes are objects by their numbers, and suspects by `objects` and their row.
        objects: How many objects the heap has.
        given_up: bool[nodes]: alive only because their holders were not looked for any more.
        levels: How many times holders were looked for, each in one pass over the heap.
    """

    graph: Graph
    objects: int
    given_up: Bools
    levels: int

    def suspects(self, rows: I64) -> I64:
        """Numbers of the nodes of suspects; -1 for a goroutine that is none."""
        return self.graph.find(rows + self.objects)

    def among(self, suspects: Bools, nodes: Bools) -> Bools:
        """bool[goroutines]: the suspects whose node is one of some."""
        found = np.zeros(len(suspects), np.bool_)
        rows = np.flatnonzero(suspects)
        found[rows] = nodes[self.suspects(rows)]
        return found


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a search goes on.

    Attributes:
        heap: The objects.
        regions: (addresses, sizes in bytes) of what holds pointers to them, in the order in which to go through it.
        suspects: Whom it is about.
        rooted: The objects that roots point to.
        processors: The Ps.
    """

    heap: HeapMap
    regions: tuple[U64, I64]
    suspects: Suspects
    rooted: Bitmap
    processors: Processors


class Search:
    """One search in one process's heap."""

    def __init__(self, memory: ProcessMemory, reader: RegionReader, ground: Ground, meter: Meter) -> None:
        self._memory, self._reader, self._ground, self._meter = memory, reader, ground, meter
        self._heap, self._suspects = ground.heap, ground.suspects
        self._graph = Graph(meter)

    def run(self) -> Found:
        """Searches to the end, or as far as the limits allow.

        Raises:
            NotDecidedError: What has to be kept or read is too much.
            GosondeError: The process has ended, or may not be read.
        """
        graph, limits = self._graph, self._meter.limits
        rows = np.flatnonzero(self._suspects.are)
        suspects = graph.add(rows + self._heap.count)
        awaited, by = self._suspects.awaited
        graph.connect(self._objects(awaited), graph.find(by + self._heap.count), np.zeros(len(by), np.uint64))
        expanded, levels = np.zeros(len(graph), np.bool_), 0
        front = self._front(suspects, expanded)
        while len(front) and levels < limits.levels and len(front) <= limits.front:
            expanded[front] = True
            self._expand(graph.codes(front))
            levels += 1
            expanded = np.concatenate((expanded, np.zeros(len(graph) - len(expanded), np.bool_)))
            front = self._front(suspects, expanded)
        before = graph.alive.copy()
        graph.revive(front)
        return Found(graph, self._heap.count, graph.alive & ~before, levels)

    def _objects(self, objects: I64) -> I64:
        """Numbers of the nodes of objects, new ones among them; those that roots point to are alive."""
        before = len(self._graph)
        numbers = self._graph.add(objects)
        fresh = np.arange(before, len(self._graph))
        codes = self._graph.codes(fresh)
        rooted = self._ground.rooted.has(codes)
        rooted[rooted] = allocated(self._memory, self._heap, codes[rooted])
        self._graph.alive[fresh[rooted]] = True
        return numbers

    def _front(self, suspects: I64, expanded: Bools) -> I64:
        """The nodes whose holders are still to be looked for: objects on which a suspect depends that is not alive."""
        graph = self._graph
        graph.revive(np.flatnonzero(graph.alive))
        needed = graph.holders_of(suspects) & ~expanded
        needed[suspects] = False
        return np.flatnonzero(needed)

    def _expand(self, targets: I64) -> None:
        """Looks for the holders of objects: on the stacks of suspects, and in the heap."""
        graph, targets = self._graph, np.sort(targets)
        held, rows = self._suspects.held
        places = np.flatnonzero(among(held, targets))
        graph.connect(
            graph.find(rows[places].astype(np.int64) + self._heap.count),
            graph.find(held[places]),
            np.zeros(len(places), np.uint64),
        )
        for found in pointers_to(self._reader, self._heap, self._ground.regions, targets, self._meter):
            holders = self._heap.numbers(found.at)
            # What lies in a P is a root, or the collector's.
            some = (holders >= 0) & ~self._ground.processors.holds(found.at)
            graph.connect(self._owners(holders[some]), graph.find(found.target[some]), found.at[some])

    def _owners(self, holders: I64) -> I64:
        """Numbers of the nodes of holders: of the suspect for what is a suspect's own, else of the object."""
        own, rows = self._suspects.own
        is_own = among(holders, own)
        numbers = np.empty(len(holders), np.int64)
        owners = rows[np.searchsorted(own, holders[is_own])]
        numbers[is_own] = self._graph.find(owners + self._heap.count)
        numbers[~is_own] = self._objects(holders[~is_own])
        return numbers
