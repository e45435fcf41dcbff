"""How long goroutines waited until they ran: sched.timeToRun, a timeHistogram (histogram.go), in fewer buckets."""

from bisect import bisect_left
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from gosonde_common.values.runtime import SCHEDULE_BOUNDS_NS

from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

#: By how many buckets there are: into how many a power of two is divided, and where the first ends, in bits. From Go
#: 1.20 on timeHistMinBucketBits and timeHistSubBucketBits say so, before that timeHistSubBucketBits alone.
SHAPES: Final = {160: (4, 8), 720: (16, 4)}
MAX_COUNT: Final = 1 << 48


class Latencies:
    """Of one process, where its variables were proved."""

    def __init__(self, runtime: Runtime) -> None:
        """Of a process whose runtime was proved just now.

        Raises:
            NotLocatedError: runtime.sched was not.
            UnsupportedBinaryError: Its histogram has another shape than any that is known.
        """
        layout = runtime.layout
        runtime.addresses.require("sched")
        first, underflow = (layout.offset("schedt", f"timeToRun.{name}") for name in ("counts", "underflow"))
        self._count, remainder = divmod(underflow - first, 8)
        if self._count not in SHAPES or remainder:
            raise UnsupportedBinaryError(f"{layout.source} has a timeHistogram of {underflow - first} bytes")
        self._address = runtime.addresses.sched + runtime.bias + first
        self._has_overflow = layout.has("schedt", "timeToRun.overflow")
        self._places = _places(self._count)

    def read(self, memory: ProcessMemory) -> tuple[int, ...]:
        """Counts by SCHEDULE_BOUNDS_NS; below the first also what seemed to take less than no time.

        Raises:
            ImplausibleMemoryError: No runtime has counted so many.
            GosondeError: As `ProcessMemory.read`.
        """
        taken = np.frombuffer(memory.read(self._address, 8 * (self._count + 1 + self._has_overflow)), "<u8")
        if int(taken.max()) > MAX_COUNT:
            raise ImplausibleMemoryError(f"process {memory.pid} claims {taken.max()} goroutines that waited")
        sums = np.zeros(len(SCHEDULE_BOUNDS_NS) + 1, np.uint64)
        np.add.at(sums, self._places, taken[: self._count])
        sums[0] += taken[self._count]
        if self._has_overflow:
            sums[-1] += taken[self._count + 1]
        return tuple(sums.tolist())


@cache
def _places(buckets: int) -> npt.NDArray[np.int64]:
    """Which of the counts each bucket of the runtime's is part of."""
    parts, bits = SHAPES[buckets]
    ends = [1 << (bits + bucket // parts) for bucket in range(buckets)]
    return np.array([bisect_left(SCHEDULE_BOUNDS_NS, end) for end in ends], np.int64)
