"""Scans one process: reads its goroutines, roots and heap, and searches for who can wake its blocked goroutines."""

from collections.abc import Callable, Sequence

import numpy as np

from gosonde_agent.host.thread_registers import ThreadRegisters, sampled
from gosonde_agent.sources.memory.heap_proof import HeapAddresses
from gosonde_agent.sources.memory.reachability.bitmap import Bitmap
from gosonde_agent.sources.memory.reachability.foreign import foreign_code
from gosonde_agent.sources.memory.reachability.headers import Goroutines, HeaderReader
from gosonde_agent.sources.memory.reachability.heap_pass import in_order, pointerful
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.modules import Module
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.quiet import rest_of
from gosonde_agent.sources.memory.reachability.regions import RegionReader
from gosonde_agent.sources.memory.reachability.retained import Leaked, Retention
from gosonde_agent.sources.memory.reachability.roots import RootReader
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools
from gosonde_agent.sources.memory.reachability.running_threads import revive_held_in_registers, wait_for_samples
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.search import Found, Ground, Search
from gosonde_agent.sources.memory.reachability.settling import RootHits, root_hits
from gosonde_agent.sources.memory.reachability.spans import SpanReader
from gosonde_agent.sources.memory.reachability.stacks import StackReader
from gosonde_agent.sources.memory.reachability.suspects import SuspectReader, Suspects
from gosonde_agent.sources.memory.reachability.waiting import Reasons
from gosonde_agent.sources.memory.target import Target

#: bool[goroutines]: which ones are to be looked at; all others count as live.
Suspected = Callable[[Goroutines], Bools]


def everyone(goroutines: Goroutines) -> Bools:
    """Suspects whatever is blocked."""
    return np.ones(len(goroutines), np.bool_)


class Scanner:
    """Scans one process again and again. It never stops it, and writes nothing.

    Raises:
        UnsupportedBinaryError: The layout of the heap is not known in its version of Go.
        GosondeError: Its wait reasons cannot be read.
    """

    def __init__(self, target: Target, addresses: HeapAddresses, limits: Limits | None = None) -> None:
        runtime = target.runtime
        self.target, self.limits = target, limits or Limits()
        self.reasons = Reasons(target.wait_reasons())
        self._memory = runtime.memory
        self._reader = RegionReader(runtime.memory)
        self._headers = HeaderReader(runtime)
        self._stacks = stacks = StackReader(target, self._reader, self._headers)
        self._spans = SpanReader(runtime, addresses.mheap)
        self._suspects = SuspectReader(runtime.memory, runtime.layout, self.reasons, stacks)
        self._roots = RootReader(target, addresses, self._reader, stacks)

    def scan(self, suspected: Suspected = everyone, order: int = 0) -> Scan:
        """One scan; `order` is that of the pass over the heap: 0 upwards, 1 downwards, else mixed.

        Raises:
            NotDecidedError: The limits do not allow it.
            ImplausibleMemoryError: What was read contradicts itself; it may be another time.
            GosondeError: The process has ended, runs another program, or may not be read.
        """
        try:
            with sampled(self._memory.pid) as registers:
                wait_for_samples(registers)
                return self._scan(suspected, order, registers)
        finally:
            self._reader.release()  # many processes wait for their next scan at a time

    def _scan(self, suspected: Suspected, order: int, registers: ThreadRegisters) -> Scan:
        meter, before = Meter(self.limits), rest_of(self._memory.pid)
        modules = self._roots.modules()
        heap = HeapMap(self._spans.read(meter), meter)
        goroutines = self._headers.read(meter)
        blocked = self.reasons.blocked(goroutines)
        suspects = self._suspects.read(heap, goroutines, blocked & suspected(goroutines), meter)
        found = self._search(heap, goroutines, suspects, order, meter)
        roots = self._settle(heap, goroutines, suspects, found, meter)
        unseen = revive_held_in_registers(found, heap, registers)
        self._memory.check_same(self.target.runtime.addresses.allglen + self.target.runtime.bias)
        return Scan(
            goroutines=goroutines,
            blocked=blocked,
            suspects=suspects.are,
            accused=found.among(suspects.are, ~found.graph.alive),
            given_up=found.among(suspects.are, found.given_up),
            awaited=_awaited(heap, suspects),
            variable=_variables(modules, suspects),
            foreign=foreign_code(self._memory.pid, [module.code for module in modules]),
            quiet=before.lasted_until(rest_of(self._memory.pid)),
            unseen=unseen,
            heap=heap,
            found=found,
            roots=roots,
            read_bytes=meter.read,
            cpu_seconds=meter.cpu_seconds,
        )

    def retained(self, leaked: U64, group: I64) -> I64:
        """int64[groups]: bytes of the heap that the leaked goroutines of each group alone retain, at least.

        Args:
            leaked: Addresses of their g's, which wait for ever.
            group: Of each, from 0.

        Raises:
            NotDecidedError: It takes more than the limits allow.
            GosondeError: The process has ended, runs another program, or may not be read.
        """
        meter = Meter(self.limits)
        heap = HeapMap(self._spans.read(meter), meter)
        goroutines, processors = self._headers.read(meter), self._roots.processors()
        row = goroutines.rows_of(leaked)
        groups = np.zeros(len(goroutines), np.int64)
        groups[row[row >= 0]] = group[row >= 0]
        lost = np.isin(goroutines.at, leaked)
        held = self._stacks.pointers(heap, goroutines, np.flatnonzero(lost), meter)
        roots = self._roots.pointers(heap, goroutines, ~lost, processors, meter)
        retention = Retention(self.target.runtime, self._reader, heap, meter)
        known = Leaked(goroutines.at[lost], groups, held)
        return retention.retained(known, processors, roots, int(group.max(initial=-1)) + 1)

    def _search(self, heap: HeapMap, goroutines: Goroutines, suspects: Suspects, order: int, meter: Meter) -> Found:
        rooted, processors = Bitmap(heap.count), self._roots.processors()
        for root in self._roots.pointers(heap, goroutines, ~suspects.are, processors, meter):
            rooted.add(root.pointers.target)
        themselves = heap.numbers(goroutines.at[~suspects.are])
        rooted.add(themselves[themselves >= 0])
        ground = Ground(heap, in_order(pointerful(heap.spans), order), suspects, rooted, processors)
        return Search(self._memory, self._reader, ground, meter).run()

    def _settle(
        self, heap: HeapMap, goroutines: Goroutines, suspects: Suspects, found: Found, meter: Meter
    ) -> RootHits:
        """Revives who moved since the beginning, and what roots point to by now."""
        later = self._headers.read(meter)
        rows = np.flatnonzero(suspects.are)
        found.graph.revive(found.suspects(rows[~goroutines.selected(rows).unmoved(later)]))
        accused = found.among(suspects.are, ~found.graph.alive)
        live = ~np.isin(later.at, goroutines.at[accused])
        held = np.isin(later.at, goroutines.at[suspects.are]) & self.reasons.blocked(later)
        pointers = self._roots.pointers(heap, later, live, self._roots.processors(), meter)
        hits = root_hits(found, later, held, pointers)
        found.graph.revive(hits.node)
        return hits


def _awaited(heap: HeapMap, suspects: Suspects) -> U64:
    awaited = np.zeros(len(suspects.are), np.uint64)
    objects, rows = suspects.awaited
    awaited[rows[::-1]] = heap.extent(objects)[0][::-1]
    return awaited


def _variables(modules: Sequence[Module], suspects: Suspects) -> U64:
    variables = np.zeros(len(suspects.are), np.uint64)
    addresses, rows = suspects.outside
    for begin, end in (module.variables for module in modules):
        inside = (addresses >= np.uint64(begin)) & (addresses < np.uint64(end))
        variables[rows[inside]] = addresses[inside]
    return variables
