"""The timers in the Ps' heaps: each one says itself which heap it is in, so that what is none is not taken for one."""

from dataclasses import dataclass, fields

import numpy as np

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.processors import MAX_TIMERS, processor_addresses
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, Rows, among, distinct, joined, words
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.timers.layout import WORD, TimerLayout

#: A timer moves within its heap while that is read: it is read so often, and what stands in one reading is there.
READINGS = 3
#: Timers read at a time, and how often those that change meanwhile are read again.
BLOCK, ATTEMPTS = 1 << 15, 4
#: Entries of a heap that are read together, where not all are read.
RUN = 512


@dataclass(frozen=True, slots=True)
class Timers:
    """Pending timers, a row each.

    Attributes:
        at: Address of the runtime.timer.
        due: CLOCK_MONOTONIC, ns.
        period: In ns; 0 for one that fires once.
        function: Address of the func value that the runtime calls.
        argument: What it is called with: the data word of an interface.
    """

    at: U64
    due: I64
    period: I64
    function: U64
    argument: U64

    def __len__(self) -> int:
        return len(self.at)

    def selected(self, which: Bools | I64) -> "Timers":
        """Some rows."""
        return Timers(*(getattr(self, field.name)[which] for field in fields(Timers)))

    @staticmethod
    def joined(parts: list["Timers"]) -> "Timers":
        """All parts; there is at least one."""
        return Timers(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Timers)))

    @staticmethod
    def of(at: U64, rows: Rows, due: I64, layout: TimerLayout) -> "Timers":
        """What rows that were read at some addresses hold."""
        period = np.maximum(words(rows, layout.period).astype(np.int64), 0)
        return Timers(at, due, period, words(rows, layout.function), words(rows, layout.argument))

    @staticmethod
    def none() -> "Timers":
        """Without any."""
        address, number = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        return Timers(address, number, number, address, address)


def read_heaps(runtime: Runtime, layout: TimerLayout, most: int) -> tuple[Timers, int, float]:
    """(the pending timers in all heaps, how many were changing and are left out, for how many each one stands).

    Args:
        most: Where there are more, not all are read.

    Raises:
        NotLocatedError: runtime.allp was not proved.
        ImplausibleMemoryError: What is there cannot be a runtime's.
        GosondeError: The process has ended, or may not be read.
    """
    processors = processor_addresses(runtime)
    owners = np.sort(processors + np.uint64(layout.owned))
    entries, stands_for = _entries(runtime.memory, layout, processors, most)
    parts, changing = [Timers.none()], 0
    for begin in range(0, len(entries), BLOCK):
        part, moving = _settled(runtime.memory, layout, entries[begin : begin + BLOCK], owners)
        parts += part
        changing += moving
    return Timers.joined(parts), changing, stands_for


def _entries(memory: ProcessMemory, layout: TimerLayout, processors: U64, most: int) -> tuple[U64, float]:
    """(addresses of what may be timers, in order; for how many entries of heaps each one stands)."""
    found: list[U64] = []
    for _ in range(READINGS):
        heaps = _heaps(memory, layout, processors)
        total = sum(count for _, count in heaps)
        if total > most:  # read once: what moves into a sample meanwhile would be too much of it
            some = distinct(joined(_read_heaps(memory, layout, heaps, -(-total // most))))
            return some, total / max(len(some), 1)
        found += _read_heaps(memory, layout, heaps, 1)
    return distinct(joined(found)), 1.0


def _read_heaps(memory: ProcessMemory, layout: TimerLayout, heaps: list[tuple[int, int]], one_in: int) -> list[U64]:
    return [part for start, count in heaps for part in _pointers(memory, layout.entry, start, _runs(count, one_in))]


def _heaps(memory: ProcessMemory, layout: TimerLayout, processors: U64) -> list[tuple[int, int]]:
    """(address, entries) of each heap that has any."""
    headers, whole = memory.read_each(processors + np.uint64(layout.heap), 24)
    starts, counts, rooms = (words(headers, offset) for offset in (0, 8, 16))
    if not whole.all() or (counts > rooms).any() or (counts > np.uint64(MAX_TIMERS)).any():
        raise ImplausibleMemoryError(f"a P of process {memory.pid} has no heap of timers")
    return [heap for heap in zip(starts.tolist(), counts.tolist(), strict=True) if heap[1]]


def _runs(count: int, one_in: int) -> tuple[I64, I64]:
    """(the first entry of each run that is read, how many entries it has)."""
    if one_in == 1:
        return np.zeros(1, np.int64), np.full(1, count, np.int64)
    firsts = np.arange(0, count, RUN * one_in, dtype=np.int64)
    return firsts, np.minimum(RUN, count - firsts)


def _pointers(memory: ProcessMemory, entry: int, start: int, runs: tuple[I64, I64]) -> list[U64]:
    """The first word of each entry; none of a heap that has gone elsewhere because it grew: the next reading has it."""
    firsts, counts = runs
    data, whole = memory.read_pieces(np.uint64(start) + (firsts * entry).astype(np.uint64), counts * entry)
    entries = data.view("<u8").reshape(-1, entry // WORD)
    return [entries[:, 0].astype(np.uint64)] if whole.all() else []


def _settled(memory: ProcessMemory, layout: TimerLayout, at: U64, owners: U64) -> tuple[list[Timers], int]:
    """(those that were the same in two readings one after the other, how many never were)."""
    settled: list[Timers] = []
    at, rows = _read(memory, layout, at, owners)
    for _ in range(ATTEMPTS):
        there, again = _read(memory, layout, at, owners)
        before = layout.identity(rows[among(at, there)])
        same = np.ones(len(there), np.bool_)
        for one, other in zip(before, layout.identity(again), strict=True):
            same &= one == other
        settled.append(Timers.of(there[same], again[same], layout.due(again[same]), layout))
        at, rows = there[~same], again[~same]
        if not len(at):
            break
    return settled, len(at)


def _read(memory: ProcessMemory, layout: TimerLayout, at: U64, owners: U64) -> tuple[U64, Rows]:
    """Those at some addresses that are pending in the heap of a P."""
    rows, whole = memory.read_each(at, layout.size)
    is_one = whole & among(words(rows, layout.owner), owners) & (layout.due(rows) > 0)
    return at[is_one], rows[is_one]
