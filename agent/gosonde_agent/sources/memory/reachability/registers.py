"""The vector registers of goroutines that were interrupted: since Go 1.26 they are kept beside the stack.

runtime/preempt_xreg.go: xRegSave gives a goroutine that is preempted asynchronously a block outside of the heap, and
xRegRestore takes it away as the goroutine goes on. The compiler copies pairs of words, pointers too, through them.
"""

from collections.abc import Iterator

import numpy as np

from gosonde_agent.sources.memory.goroutines import WAITING
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import Pointers, RegionReader
from gosonde_agent.sources.memory.reachability.rows import I64, words
from gosonde_agent.sources.memory.runtime import Runtime

#: runtime.xRegs, bytes: 32 registers of 64 and 8 of 8 on amd64, 32 of 16 on arm64.
SIZES = {"amd64": 2_112, "arm64": 512}


class RegisterReader:
    """Reads those of one process, whose layout of runtime.g says whether there are any."""

    def __init__(self, runtime: Runtime, architecture: str, reader: RegionReader) -> None:
        self._memory, self._reader, self._size = runtime.memory, reader, SIZES[architecture]
        at = runtime.layout.fields("g").get("xRegs.state")
        self._at = None if at is None else np.uint64(at)

    def pointers(self, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter) -> Iterator[Pointers]:
        """What they point to; `region` is the row of each goroutine.

        Raises:
            NotDecidedError: It is more than may be read.
            GosondeError: The process has ended, or may not be read.
        """
        rows = rows[goroutines.status[rows] != WAITING]
        if self._at is None or not len(rows):
            return
        meter.take(8 * len(rows))
        found, whole = self._memory.read_each(goroutines.at[rows] + self._at, 8)
        blocks = words(found, 0)
        saved = whole & (blocks != 0) & (blocks % np.uint64(8) == 0)
        sizes = np.full(int(saved.sum()), self._size, np.int64)
        for part in self._reader.pointers(blocks[saved], sizes, heap, meter):
            yield Pointers(rows[saved][part.region], part.at, part.word, part.target)
