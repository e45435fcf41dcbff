"""What the stacks of goroutines that live point to, without what is known to be dead in them.

A slot of a stack keeps what was once in it. Of a goroutine that did not move while its stack was read, the binary's
stack maps say which slots the program may still use; of any other one every word counts.
"""

from collections.abc import Iterator

import numpy as np

from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.layout import SCAN
from gosonde_agent.sources.memory.reachability.headers import STILL, Goroutines
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.live_slots import LiveSlots, Stacks
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import WINDOW, Pointers, RegionReader, Window
from gosonde_agent.sources.memory.reachability.rows import I64, Bools, numbers, words
from gosonde_agent.sources.memory.reachability.stacks import stack_pointers
from gosonde_agent.sources.memory.runtime import Runtime

#: Fields of runtime.g that are read again once its stack was, and those of them that are numbers of so many bytes.
FIELDS = ("stack.hi", "sched.sp", "sched.pc", "syscallsp", "_defer", "_panic", "sched.ctxt")
NUMBERS = {"atomicstatus": 4, "trackingSeq": 1}


def live_slots_of(pclntab: Pclntab, go_version: str) -> LiveSlots | None:
    """What knows the live slots of a binary's stacks; None where its stack maps are not read."""
    try:
        return LiveSlots(pclntab, parse_version(go_version))
    except UnsupportedBinaryError:
        return None


class StackRoots:
    """Reads the stacks of one process. With no `slots` every word of them counts."""

    def __init__(self, runtime: Runtime, reader: RegionReader, slots: LiveSlots | None) -> None:
        self._memory, self._bias, self._reader, self._slots = runtime.memory, runtime.bias, reader, slots
        self._at = {name: runtime.layout.offset("g", name) for name in (*FIELDS, *NUMBERS)}
        self._span = max(self._at.values()) + 8

    def pointers(self, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter) -> Iterator[Pointers]:
        """What the stacks of some goroutines point to, some at a time; `region` is the row of each.

        Raises:
            NotDecidedError: It is more than may be read.
            GosondeError: The process has ended, or may not be read.
        """
        sizes = goroutines.high[rows].astype(np.int64) - goroutines.used[rows].astype(np.int64)
        lies_still = np.isin(goroutines.status[rows], STILL) & (goroutines.used[rows] == goroutines.sp[rows])
        mapped = lies_still & (sizes > 0) & (sizes <= WINDOW) & (sizes % 8 == 0) & (goroutines.sp[rows] % 8 == 0)
        if self._slots is None:
            yield from stack_pointers(self._reader, heap, goroutines, rows, meter)
            return
        yield from self._mapped(self._slots, heap, goroutines, rows[mapped], meter)
        yield from stack_pointers(self._reader, heap, goroutines, rows[~mapped], meter)

    def _mapped(
        self, slots: LiveSlots, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter
    ) -> Iterator[Pointers]:
        sizes = (goroutines.high[rows] - goroutines.sp[rows]).astype(np.int64)
        for window in self._reader.windows(goroutines.sp[rows], sizes, meter):
            here = rows[window.first : window.first + len(window.ends)]
            candidates = heap.near(window.words) & ~self._dead(slots, window, goroutines, here, meter)
            places = np.flatnonzero(candidates)
            found = window.words[places]
            targets = heap.numbers(found)
            hits = targets >= 0
            region, at = window.places(places[hits])
            yield Pointers(rows[region], at, found[hits], targets[hits])

    def _dead(self, slots: LiveSlots, window: Window, goroutines: Goroutines, rows: I64, meter: Meter) -> Bools:
        """bool[words]: those that nobody uses any more, of goroutines that are still as they were."""
        meter.take(len(rows) * self._span)
        headers, whole = self._memory.read_each(goroutines.at[rows], self._span)
        now = {name: words(headers, self._at[name]) for name in FIELDS}
        status, sequence = (numbers(headers, self._at[name], size) for name, size in NUMBERS.items())
        same = whole & (status & ~SCAN == goroutines.status[rows]) & (sequence == goroutines.sequence[rows])
        same &= (now["stack.hi"] == goroutines.high[rows]) & (now["sched.sp"] == goroutines.sp[rows])
        same &= now["sched.pc"] == goroutines.pc[rows]
        same &= (now["syscallsp"] == 0) | (now["syscallsp"] == goroutines.sp[rows])
        firsts = np.concatenate((np.zeros(1, np.int64), window.ends))
        stacks = Stacks(
            window.words,
            firsts,
            goroutines.sp[rows],
            goroutines.pc[rows],
            now["_defer"],
            now["_panic"],
            now["sched.ctxt"],
        )
        dead: Bools = slots.dead(stacks, self._bias) & np.repeat(same, np.diff(firsts))
        return dead
