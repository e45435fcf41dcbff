"""The runtime's own account of its garbage collections, read from memstats, gcController and work: no probe needed."""

import math
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from gosonde_common.values.gc import GcFigures, LastCycle, PastPause

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.proof import PAUSES
from gosonde_agent.sources.memory.runtime import Runtime

#: A reading that a collection changes under way is made again so often.
ATTEMPTS = 20
#: How often a process that is followed is read; a reading takes some 0.1 ms.
FOLLOW_SECONDS = 0.01
UNLIMITED = (1 << 63) - 1
MAX_HEAP = 1 << 48

#: How much of runtime.work is read before tEnd and from it on, in bytes.
WORK_BEFORE, WORK_AFTER = 160, 48
#: What is read of mstats, with its size in bytes, and of gcController, 8 bytes each.
STATS_FIELDS = {
    "last_gc_unix": 8,
    "pause_total_ns": 8,
    "pause_ns": 8 * PAUSES,
    "pause_end": 8 * PAUSES,
    "numgc": 4,
    "numforcedgc": 4,
    "gc_cpu_fraction": 8,
    "last_gc_nanotime": 8,
}
CONTROLLER_FIELDS = (
    *("gcPercent", "memoryLimit", "gcPercentHeapGoal", "heapLive", "lastHeapGoal", "lastStackScan", "globalsScan"),
    *("dedicatedMarkTime", "fractionalMarkTime", "assistTime", "idleMarkTime"),
)
WORK_FIELDS = frozenset(
    {"stwprocs", "maxprocs", "tSweepTerm", "tMark", "tMarkTerm", "tEnd", "heap0", "heap1", "heap2", "userForced"}
)


def follow_gc(runtime: Runtime) -> Iterator[LastCycle]:
    """Each cycle that ends from now on. One followed by another within FOLLOW_SECONDS may be missing: see `cycle`.

    Raises:
        GosondeError: As `read_gc`; also when the process has ended.
    """
    seen = read_gc(runtime).cycles
    while True:
        time.sleep(FOLLOW_SECONDS)
        last = read_gc(runtime).last
        if last and last.cycle > seen:
            seen = last.cycle
            yield last


def read_gc(runtime: Runtime) -> GcFigures:
    """All figures at one moment.

    Raises:
        NotLocatedError: The variables that hold them were not proved.
        ImplausibleMemoryError: They contradict each other, however often they are read.
        GosondeError: The process has ended, or may not be read.
    """
    runtime.addresses.require("memstats", "gcController")
    reader = _Reader(runtime)
    before = reader.take()
    for _ in range(ATTEMPTS):
        after = reader.take()
        if after.is_same_cycle(before):
            return reader.figures(after)
        before = after
    raise ImplausibleMemoryError(f"the GC figures of process {runtime.pid} change faster than they can be read")


@dataclass(frozen=True, slots=True)
class _Taken:
    stats: bytes
    controller: bytes
    work: bytes
    init_time: int

    def is_same_cycle(self, other: "_Taken") -> bool:
        return self.stats == other.stats and self.work == other.work


class _Reader:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._first = min(self._offset("mstats", name) for name in STATS_FIELDS)
        self._end = max(self._offset("mstats", name) + size for name, size in STATS_FIELDS.items())
        self._controller_size = max(self._offset("gcControllerState", name) for name in CONTROLLER_FIELDS) + 8
        work = runtime.layout.fields("workType")
        # What hides one variable, larger locks for one, moves fields of another.
        is_known = work.keys() >= WORK_FIELDS and not runtime.addresses.unproved
        places = {name: work[name] - work["tEnd"] for name in WORK_FIELDS} if is_known else {}
        self._work = places if all(-WORK_BEFORE <= at <= WORK_AFTER - 8 for at in places.values()) else {}

    def _offset(self, structure: str, field: str) -> int:
        return self._runtime.layout.offset(structure, field)

    def take(self) -> _Taken:
        """The three structures, in one system call."""
        at = self._runtime.addresses
        pieces = [
            (at.memstats + self._first, self._end - self._first),
            (at.controller, self._controller_size),
            (at.t_end - WORK_BEFORE, WORK_BEFORE + WORK_AFTER if at.t_end and self._work else 0),
            (at.init_time, 8 if at.init_time else 0),
        ]
        sizes = np.array([size for _, size in pieces], np.int64)
        starts = np.array([max(address + self._runtime.bias, 0) for address, _ in pieces], np.uint64)
        data, whole = self._runtime.memory.read_pieces(starts, sizes)
        if not whole.all():
            raise ImplausibleMemoryError(f"the GC figures of process {self._runtime.pid} are not mapped any more")
        raw, ends = data.tobytes(), np.cumsum(sizes).tolist()
        stats, controller, work, init = (raw[end - int(size) : end] for end, size in zip(ends, sizes, strict=True))
        return _Taken(stats, controller, work, int.from_bytes(init, "little"))

    def figures(self, taken: _Taken) -> GcFigures:
        """What the bytes mean."""
        cycles, forced = (self._stat(taken, name, "<I") for name in ("numgc", "numforcedgc"))
        percent = self._control(taken, "gcPercent", 4, signed=True)
        limit = self._control(taken, "memoryLimit")
        goal = self._control(taken, "gcPercentHeapGoal")
        return GcFigures(
            cycles=cycles,
            forced_cycles=forced,
            pause_total_ns=self._stat(taken, "pause_total_ns", "<Q"),
            pauses=self._pauses(taken, cycles),
            heap_live_bytes=self._control(taken, "heapLive"),
            heap_goal_bytes=goal if goal < MAX_HEAP else -1,
            gc_percent=percent,
            memory_limit_bytes=limit if limit < UNLIMITED else -1,
            cpu_fraction=self._fraction(taken),
            last=self._last(taken, cycles),
        )

    def _stat(self, taken: _Taken, name: str, form: str) -> int:
        return int(struct.unpack_from(form, taken.stats, self._offset("mstats", name) - self._first)[0])

    def _fraction(self, taken: _Taken) -> float:
        value = float(struct.unpack_from("<d", taken.stats, self._offset("mstats", "gc_cpu_fraction") - self._first)[0])
        if not math.isfinite(value) or not 0 <= value <= 1:
            raise ImplausibleMemoryError(f"process {self._runtime.pid} says that GC took {value} of its CPU time")
        return value

    def _control(self, taken: _Taken, name: str, size: int = 8, *, signed: bool = False) -> int:
        at = self._offset("gcControllerState", name)
        return int.from_bytes(taken.controller[at : at + size], "little", signed=signed)

    def _pauses(self, taken: _Taken, cycles: int) -> tuple[PastPause, ...]:
        durations, ends = (
            np.frombuffer(taken.stats, "<u8", PAUSES, self._offset("mstats", name) - self._first).tolist()
            for name in ("pause_ns", "pause_end")
        )
        # Cycle n is written at (n - 1) % 256 and numgc counts it afterwards.
        numbers = range(max(cycles - PAUSES, 0), cycles)
        return tuple(PastPause(n + 1, ends[n % PAUSES], durations[n % PAUSES]) for n in numbers)

    def _last(self, taken: _Taken, cycles: int) -> LastCycle | None:
        if not taken.work or cycles == 0:
            return None
        origin = WORK_BEFORE

        def word(offset: int, size: int = 8) -> int:
            return int.from_bytes(taken.work[origin + offset : origin + offset + size], "little")

        sweep, mark, termination, end = (
            word(self._work[name]) for name in ("tSweepTerm", "tMark", "tMarkTerm", "tEnd")
        )
        ended = self._stat(taken, "last_gc_nanotime", "<Q")
        if end != ended or not sweep <= mark <= termination <= end:
            return None
        heap = [word(self._work[name]) for name in ("heap0", "heap1", "heap2")]
        background = self._control(taken, "dedicatedMarkTime") + self._control(taken, "fractionalMarkTime")
        return LastCycle(
            cycle=cycles,
            start_ns=sweep - taken.init_time if taken.init_time else -1,
            cpu_percent=int(self._fraction(taken) * 100),
            sweep_ns=mark - sweep,
            mark_ns=termination - mark,
            termination_ns=end - termination,
            stopped_processors=word(self._work["stwprocs"], 4),
            assist_cpu_ns=self._control(taken, "assistTime"),
            background_cpu_ns=background,
            idle_cpu_ns=self._control(taken, "idleMarkTime"),
            heap_start_bytes=heap[0],
            heap_end_bytes=heap[1],
            heap_marked_bytes=heap[2],
            heap_goal_bytes=self._control(taken, "lastHeapGoal"),
            stacks_bytes=self._control(taken, "lastStackScan"),
            globals_bytes=self._control(taken, "globalsScan"),
            processors=word(self._work["maxprocs"], 4),
            forced=bool(word(self._work["userForced"], 1)),
        )
