"""The words of goroutines' stacks that point into the heap, without those that are known to be dead."""

import contextlib
from collections.abc import Iterator

import numpy as np

from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.reachability.headers import STILL, Goroutines, HeaderReader
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.live_slots import LiveSlots, Stacks
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import WINDOW, WORD, Pointers, RegionReader, Window
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools
from gosonde_agent.sources.memory.target import Target

SEVEN = np.uint64(7)


class StackReader:
    """Reads stacks of one process."""

    def __init__(self, target: Target, reader: RegionReader, headers: HeaderReader) -> None:
        self._bias, self._reader, self._headers = target.runtime.bias, reader, headers
        self._slots: LiveSlots | None = None
        with contextlib.suppress(UnsupportedBinaryError):
            self._slots = LiveSlots(target.pclntab, parse_version(target.go_version))

    def pointers(self, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter) -> Iterator[Pointers]:
        """What the stacks of some goroutines point to, some at a time; `region` is the row of each.

        Raises:
            GosondeError: As `RegionReader.pointers`.
        """
        low, sizes = _extent(goroutines, rows)
        still = np.isin(goroutines.status[rows], STILL) & (low == goroutines.sp[rows]) & (sizes <= WINDOW)
        if self._slots is None:
            still[:] = False
        yield from self.all_pointers(heap, goroutines, rows[~still], meter)
        for window in self._reader.windows(low[still], sizes[still], meter):
            some = rows[still][window.first : window.first + len(window.starts)]
            places = np.flatnonzero(heap.near(window.words) & ~self._dead(self._slots, window, goroutines, some, meter))
            words = window.words[places]
            targets = heap.numbers(words)
            hits = targets >= 0
            stack, at = window.places(places[hits])
            yield Pointers(rows[still][stack], at, words[hits], targets[hits])

    def all_pointers(self, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter) -> Iterator[Pointers]:
        """As `pointers`, with words that are known to be dead."""
        low, sizes = _extent(goroutines, rows)
        some = sizes > 0
        for found in self._reader.pointers(low[some], sizes[some], heap, meter):
            yield Pointers(rows[some][found.region], found.at, found.word, found.target)

    def _dead(self, slots: LiveSlots | None, window: Window, goroutines: Goroutines, rows: I64, meter: Meter) -> Bools:
        """bool[words of the window]: known to be dead. A goroutine that moved while its stack was read has none."""
        if slots is None:
            return np.zeros(len(window.words), np.bool_)
        some = goroutines.selected(rows)
        firsts = np.concatenate((np.zeros(1, np.int64), window.ends))
        stacks = Stacks(window.words, firsts, some.sp, some.pc, some.defers, some.panics, some.context)
        dead = slots.dead(stacks, self._bias)
        same = some.same_stacks(self._headers.again(some, meter))
        return dead & np.repeat(same, np.diff(firsts))


def _extent(goroutines: Goroutines, rows: I64) -> tuple[U64, I64]:
    """(address, bytes) of what goroutines use of their stacks."""
    low = (goroutines.used[rows] + SEVEN) & ~SEVEN
    size = goroutines.high[rows].astype(np.int64) - low.astype(np.int64)
    return low, np.maximum(size, 0) // WORD * WORD
