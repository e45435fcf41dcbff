"""What the runtime says of itself in runtime/metrics, in a few small reads of where it keeps that."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures

from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, NotLocatedError, UnreadableMemoryError
from gosonde_agent.sources.memory.heap_goal import goal
from gosonde_agent.sources.memory.latencies import Latencies
from gosonde_agent.sources.memory.live import GoroutineLists
from gosonde_agent.sources.memory.proof import MAX_HEAP
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

#: What is read one after the other may not fit together while the heap grows or shrinks.
ATTEMPTS: Final = 8
#: Bytes and objects since the start: a gigabyte a second for a hundred years.
MAX_TOTAL: Final = 1 << 62
#: consistentHeapStats.stats (mstats.go): writers write to one, `read` merges the others.
SLOTS: Final = 3
#: From here on runtime/metrics counts the runtime's own goroutines too (schedStatsAggregate in metrics.go).
COUNTS_SYSTEM: Final = 26
#: Of gcController, 8 bytes each.
CONTROLLER: Final = (
    *("memoryLimit", "gcPercentHeapGoal", "sweepDistMinTrigger", "triggered", "heapMarked", "heapInUse"),
    *("heapFree", "totalAlloc", "totalFree", "mappedReady"),
)

#: Of heapStatsDelta; smallAllocCount ends where largeFree begins.
DELTA: Final = ("inHeap", "inStacks", "largeAllocCount", "smallAllocCount", "largeFree")
#: memstats.heapStats up to its number of the slot that is written to, bytes.
MAX_STATS: Final = 1 << 16


class _Part(Protocol):
    def read(self, memory: ProcessMemory) -> Mapping[str, Any]:
        """Some of the figures, by their names."""


class FiguresReader:
    """Reads the figures of one process again and again, where its variables were proved.

    What is not where its version of Go is known to have it, what changes each time, and what contradicts itself has no
    figures.
    """

    def __init__(self, runtime: Runtime, minor: int) -> None:
        """Of a process whose runtime was proved just now, which is one of Go 1.`minor`."""
        makers: tuple[Callable[[], _Part], ...] = (
            *(lambda: _Goroutines(runtime, minor), lambda: _Limits(runtime, minor)),
            *(lambda: _Cycles(runtime), lambda: _Heap(runtime), lambda: _Schedule(runtime)),
        )
        self._parts: list[_Part] = []
        for make in makers:
            with contextlib.suppress(NotLocatedError, UnsupportedBinaryError):
                self._parts.append(make())

    def read(self, memory: ProcessMemory) -> RuntimeFigures:
        """The figures now.

        Raises:
            NoSuchProcessError: The process has ended, or runs another program.
        """
        found: dict[str, Any] = {}
        for part in self._parts:
            with contextlib.suppress(ImplausibleMemoryError, UnreadableMemoryError):
                found |= part.read(memory)
        return RuntimeFigures(steady_unix_nano(), **found)


class _Goroutines:
    """gcount (proc.go) and GOMAXPROCS, which is the length of allp (procresize)."""

    def __init__(self, runtime: Runtime, minor: int) -> None:
        self._lists = GoroutineLists(runtime)
        self._ngsys = runtime.addresses.sched + runtime.bias + runtime.layout.offset("schedt", "ngsys")
        self._counts_system = minor >= COUNTS_SYSTEM

    def read(self, memory: ProcessMemory) -> Mapping[str, int]:
        live, processors = self._lists.count(memory)
        system = 0 if self._counts_system else _number(memory, self._ngsys, 4)
        if system > live:
            raise ImplausibleMemoryError(f"process {memory.pid} claims {live} goroutines, {system} of them its own")
        return {"goroutines": live - system, "processors": processors}


class _Controller:
    """The fields of runtime.gcController, at once."""

    def __init__(self, runtime: Runtime) -> None:
        runtime.addresses.require("gcController")
        self._at = {name: runtime.layout.offset("gcControllerState", name) for name in CONTROLLER}
        self._percent = runtime.layout.offset("gcControllerState", "gcPercent")
        self._address = runtime.addresses.controller + runtime.bias
        if not runtime.addresses.controller:
            raise NotLocatedError(f"this version of Go has no such figures in process {runtime.pid}")
        self._size = max(self._percent, *self._at.values()) + 8

    def read(self, memory: ProcessMemory) -> dict[str, int]:
        taken = memory.read(self._address, self._size)
        found = {name: int.from_bytes(taken[at : at + 8], "little") for name, at in self._at.items()}
        found["gcPercent"] = int.from_bytes(taken[self._percent : self._percent + 4], "little", signed=True)
        return found


class _Limits:
    """GOGC, GOMEMLIMIT, where the heap is to end, and what was ever allocated."""

    def __init__(self, runtime: Runtime, minor: int) -> None:
        self._controller, self._minor = _Controller(runtime), minor

    def read(self, memory: ProcessMemory) -> Mapping[str, int]:
        found = self._controller.read(memory)
        limit, percent, allocated = found["memoryLimit"], found["gcPercent"], found["totalAlloc"]
        if not (percent >= -1 and 0 <= limit < 1 << 63 and found["totalFree"] <= allocated < MAX_TOTAL):
            raise ImplausibleMemoryError(f"process {memory.pid} claims a GOGC of {percent}, a limit of {limit} bytes")
        known = {
            "gogc_percent": percent if percent >= 0 else UNLIMITED,
            "memory_limit_bytes": limit if limit < MAX_TOTAL else UNLIMITED,
            "allocated_bytes": allocated,
        }
        aim = goal(found, self._minor)
        return known if aim is None else known | {"gc_goal_bytes": aim}


class _Cycles:
    """MemStats.NumGC and PauseTotalNs."""

    def __init__(self, runtime: Runtime) -> None:
        runtime.addresses.require("memstats")
        address = runtime.addresses.memstats + runtime.bias
        self._cycles = address + runtime.layout.offset("mstats", "numgc")
        self._pauses = address + runtime.layout.offset("mstats", "pause_total_ns")

    def read(self, memory: ProcessMemory) -> Mapping[str, int]:
        cycles, pause_ns = _number(memory, self._cycles, 4), _number(memory, self._pauses)
        if pause_ns >= MAX_TOTAL or (pause_ns and not cycles):
            raise ImplausibleMemoryError(f"process {memory.pid} claims {cycles} cycles, stopped for {pause_ns} ns")
        return {"gc_cycles": cycles, "gc_pause_ns": pause_ns}


class _Heap:
    """Memory in use, and allocations: the sums of heapStatsDelta, which fit what gcController says."""

    def __init__(self, runtime: Runtime) -> None:
        layout = runtime.layout
        runtime.addresses.require("memstats")
        self._controller = _Controller(runtime)
        words = {name: layout.offset("heapStatsDelta", name) // 8 for name in DELTA}
        self._in_heap, self._in_stacks, self._large, first, behind = words.values()
        self._small = slice(first, behind)
        self._words = layout.size("heapStatsDelta") // 8
        stats = layout.offset("mstats", "heapStats.stats")
        self._address = runtime.addresses.memstats + runtime.bias + stats
        self._generation = layout.offset("mstats", "heapStats.gen") - stats
        # It may be the layout of somebody's DWARF.
        if max(words.values()) >= self._words or not 8 * SLOTS * self._words <= self._generation <= MAX_STATS:
            raise UnsupportedBinaryError(f"{layout.source} has no heapStats that could be read")

    def read(self, memory: ProcessMemory) -> Mapping[str, int]:
        before, generation = self._take(memory)
        for _ in range(ATTEMPTS):
            in_use = self._controller.read(memory)
            slots, now = self._take(memory)
            resting = np.arange(SLOTS) != now
            # Where `read` merges two slots, one of them is in both for a moment.
            is_merged = now == generation and bool((slots[resting] == before[resting]).all())
            if is_merged and (found := self._meaning(slots.sum(axis=0), in_use)):
                return found
            before, generation = slots, now
        raise ImplausibleMemoryError(f"the heap's totals of process {memory.pid} change faster than they can be read")

    def _take(self, memory: ProcessMemory) -> tuple[npt.NDArray[np.int64], int]:
        taken = memory.read(self._address, self._generation + 4)
        slots = np.frombuffer(taken, "<i8", SLOTS * self._words).reshape(SLOTS, self._words)
        return slots, int.from_bytes(taken[self._generation :], "little")

    def _meaning(self, sums: npt.NDArray[np.int64], controller: Mapping[str, int]) -> Mapping[str, int] | None:
        """None for what does not fit together: readmemstats_m (mstats.go) says what is equal while nothing runs."""
        stacks, in_use, ready = int(sums[self._in_stacks]), controller["heapInUse"], controller["mappedReady"]
        allocations = int(sums[self._large]) + int(sums[self._small].sum())
        fits = int(sums[self._in_heap]) == in_use and 0 < stacks <= stacks + in_use <= ready < MAX_HEAP
        if not fits or not 0 <= allocations < MAX_TOTAL:
            return None
        return {"stack_bytes": stacks, "other_bytes": ready - stacks, "allocations": allocations}


class _Schedule:
    """How long goroutines waited until they ran."""

    def __init__(self, runtime: Runtime) -> None:
        self._latencies = Latencies(runtime)

    def read(self, memory: ProcessMemory) -> Mapping[str, Any]:
        return {"schedule_durations": self._latencies.read(memory)}


def _number(memory: ProcessMemory, address: int, size: int = 8) -> int:
    return int.from_bytes(memory.read(address, size), "little")
