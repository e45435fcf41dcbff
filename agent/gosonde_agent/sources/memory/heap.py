"""The heap in the GC cycle that ended last, in one small read: what gctrace says of it, at any time and cheaply."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gosonde_common.values.observation import Heap

from gosonde_agent.sources.memory.gc import MAX_HEAP, WORK_AFTER, WORK_BEFORE
from gosonde_agent.sources.memory.proof import PAUSES, Prover
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

#: A reading that a collection changes under way is made again so often.
ATTEMPTS = 3
FIELDS = frozenset({"tSweepTerm", "tMark", "tMarkTerm", "tEnd", "heap0", "heap1", "heap2"})
#: Lies further away.
BYTES_MARKED = "bytesMarked"
#: Of the fields of mstats that say which cycle ended last; `pause_end` has one element a cycle.
SIZES = np.array([WORK_BEFORE + WORK_AFTER, 8, 8, 8, 8, 4, 8 * PAUSES], np.int64)


@dataclass(frozen=True, slots=True)
class CycleHeap:
    """The heap in a cycle whose mark termination lay between two moments, CLOCK_MONOTONIC in ns.

    No other mark termination lies between them: whoever saw one there has seen this cycle's.

    Attributes:
        number: The runtime's number of the cycle, from 1; 0 while it is still being counted.
    """

    terminated_at: int
    ended_at: int
    heap: Heap
    number: int = 0


class HeapReader:
    """Reads one process again and again, which may end or run another program meanwhile."""

    def __init__(self, runtime: Runtime, t_ends: Sequence[int]) -> None:
        """`t_ends` may be the address of work.tEnd; which one is proved once a cycle has ended."""
        self._bias, self._layout = runtime.bias, runtime.layout
        self._addresses = runtime.addresses
        self._t_ends = t_ends
        self._t_end = runtime.addresses.t_end
        work = runtime.layout.fields("workType")
        self._bytes_marked = work[BYTES_MARKED] - work["tEnd"]
        self._places = {name: WORK_BEFORE + work[name] - work["tEnd"] for name in FIELDS}

    @staticmethod
    def reads(runtime: Runtime) -> bool:
        """Whether it is known where the figures are in this version of Go."""
        work = runtime.layout.fields("workType")
        if not (runtime.addresses.memstats and runtime.addresses.controller):
            return False
        return work.keys() >= FIELDS | {BYTES_MARKED} and all(
            -WORK_BEFORE <= work[name] - work["tEnd"] <= WORK_AFTER - 8 for name in FIELDS
        )

    def read(self, memory: ProcessMemory) -> CycleHeap | None:
        """The cycle that ended last; None before one has, while one runs, and when what is there is inconsistent.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        if not self._t_end:
            prover = Prover(memory, self._bias, self._layout)
            self._t_end = prover.t_end(self._t_ends, self._addresses.memstats)
        if not self._t_end:
            return None
        starts = self._starts()
        before = b""
        for _ in range(ATTEMPTS):
            taken, whole = memory.read_pieces(starts, SIZES)
            if not whole.all():
                return None
            if (after := taken.tobytes()) == before:
                return self._meaning(after)
            before = after
        return None

    def _starts(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        at, layout = self._addresses, self._layout
        places = (
            self._t_end - WORK_BEFORE,
            at.memstats + layout.offset("mstats", "last_gc_nanotime"),
            at.controller + layout.offset("gcControllerState", "lastHeapGoal"),
            self._t_end + self._bytes_marked,
            *(at.memstats + layout.offset("mstats", name) for name in ("last_gc_unix", "numgc", "pause_end")),
        )
        return np.array([max(place + self._bias, 0) for place in places], np.uint64)

    def _meaning(self, taken: bytes) -> CycleHeap | None:
        def word(name: str) -> int:
            return int(struct.unpack_from("<Q", taken, self._places[name])[0])

        last, goal, marked_bytes, *counted = struct.unpack_from(f"<QQQQI{PAUSES}Q", taken, WORK_BEFORE + WORK_AFTER)
        began, marked, terminated, ended = (word(name) for name in ("tSweepTerm", "tMark", "tMarkTerm", "tEnd"))
        # What a cycle that runs has written already is younger than the end of the one before.
        if ended != last or not 0 < began <= marked <= terminated <= ended:
            return None
        before, after, alive = (word(name) for name in ("heap0", "heap1", "heap2"))
        # gcStart sets bytesMarked to 0 before it writes heap0, and that before the time.
        if marked_bytes != alive or not all(0 < size < MAX_HEAP for size in (before, after, alive)):
            return None
        heap = Heap(before, after, alive, goal if goal < MAX_HEAP else 0)
        return CycleHeap(terminated, ended, heap, _number(*counted))


def _number(ended_unix_nano: int, cycles: int, *pause_ends: int) -> int:
    """The number of the cycle that ended last. It notes when it ended, and then counts itself (gcMarkTermination)."""
    return cycles if pause_ends[(cycles - 1) % PAUSES] == ended_unix_nano else 0
