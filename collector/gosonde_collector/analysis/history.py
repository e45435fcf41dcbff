"""The live counts of all sites of one process over the last hour, coarser the older, for a first check of all at once.

Nothing here decides that a site grows: `suspects` may name too many sites, never too few. What the rule needs of those
few is read in full (see `survey`).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis import screen
from gosonde_collector.analysis.growth import LOOKBACK_NS

#: A bin is as wide as one step, or at most its age divided by this.
RESOLUTION: Final = 16
#: Bins that may come before the older ones are put together.
ROOM: Final = 32
#: Sites of one process that are examined; large programs have a few thousand. An agent that claims more is wrong.
MAX_SITES: Final = 20_000
#: Seconds over which a site that begins to grow rises: enough for a snapshot before growth.WINDOWS can decide.
BEGINNING: Final = (24,)
#: Counts are kept as int32; no process has more goroutines.
LEAST, MOST = -(2**31), 2**31 - 1

Counts = NDArray[np.int64]


class History:
    """Bins of successive steps (see growth.Steps), the lowest and the highest live count in each, by site.

    Attributes:
        pcs: The sites, ascending, shape (sites,), uint64.
        created: The newest totals, shape (sites,), int64.
        exited: The same.
        passed_over: Totals of sites beyond MAX_SITES, which are not examined.
    """

    def __init__(self, since_unix_nano: int) -> None:
        """Of a process whose counters began at zero at a moment."""
        self.pcs: NDArray[np.uint64] = np.empty(0, np.uint64)
        self.created: Counts = np.empty(0, np.int64)
        self.exited: Counts = np.empty(0, np.int64)
        self.passed_over = 0
        # Bins are rows, of which the first `size` are in use.
        self._size = 1
        self._first: Counts = np.full(ROOM, since_unix_nano, np.int64)
        self._last: Counts = self._first.copy()
        self._floors: NDArray[np.int32] = np.zeros((ROOM, 0), np.int32)
        self._peaks: NDArray[np.int32] = self._floors.copy()

    @property
    def live(self) -> Counts:
        """The newest live counts, shape (sites,)."""
        live: Counts = np.maximum(np.minimum(self.created - self.exited, MOST), LEAST)
        return live

    def bins(self, until_unix_nano: int) -> screen.Bins:
        """As they are now; the last one reaches to a moment, or to its own beginning when that is later."""
        used = slice(self._size)
        until = max(until_unix_nano, int(self._last[self._size - 1]))
        return screen.Bins(self._first[used], self._last[used], self._floors[used], self._peaks[used], until)

    def suspects(self, until_unix_nano: int) -> NDArray[np.uint64]:
        """The sites that may grow: all that do, and as few others as a quick check can leave."""
        return self.pcs[screen.suspects(self.bins(until_unix_nano), self.live)]

    def beginning(self, until_unix_nano: int) -> bool:
        """Whether some site rises as if it began to grow, for too short a time yet to decide."""
        return bool(screen.suspects(self.bins(until_unix_nano), self.live, BEGINNING).size)

    def begin(self, unix_nano: int, pcs: NDArray[np.uint64], created: Counts, exited: Counts) -> None:
        """Totals that held at a moment and, as far as it matters, ever before; before anything else is added."""
        self._count(pcs, created, exited)
        self._write(0, unix_nano)

    def add(self, unix_nano: int, pcs: NDArray[np.uint64], created: Counts, exited: Counts) -> None:
        """Totals that changed at a moment. As in a series, neither time nor totals go backwards."""
        self._count(pcs, created, exited)
        now = max(unix_nano, int(self._last[self._size - 1]) + 1)
        if self._size == len(self._first):
            self._compact(now)
        self._write(self._size, now)
        self._size += 1

    def _write(self, row: int, unix_nano: int) -> None:
        self._first[row] = self._last[row] = unix_nano
        self._floors[row] = self._peaks[row] = self.live

    def _count(self, pcs: NDArray[np.uint64], created: Counts, exited: Counts) -> None:
        columns = np.searchsorted(self.pcs, pcs)
        if len(self.pcs) == 0 or not np.array_equal(self.pcs[np.minimum(columns, len(self.pcs) - 1)], pcs):
            self._make_room(np.setdiff1d(pcs, self.pcs)[: MAX_SITES - len(self.pcs)])
            known = np.isin(pcs, self.pcs)
            self.passed_over += int(np.count_nonzero(~known))
            pcs, created, exited = pcs[known], created[known], exited[known]
            columns = np.searchsorted(self.pcs, pcs)
        self.created[columns] = np.maximum(self.created[columns], created)
        self.exited[columns] = np.maximum(self.exited[columns], exited)

    def _make_room(self, new: NDArray[np.uint64]) -> None:
        """Columns for sites that are new: up to now nothing was counted there."""
        places = np.searchsorted(self.pcs, new)
        self.pcs = np.insert(self.pcs, places, new)
        self.created, self.exited = (np.insert(totals, places, 0) for totals in (self.created, self.exited))
        self._floors, self._peaks = (np.insert(rows, places, 0, axis=1) for rows in (self._floors, self._peaks))

    def _compact(self, now: int) -> None:
        """Puts old bins together, and makes room for new ones."""
        starts = _starts(self._first, now)
        self._last = _with_room(self._last[np.append(starts[1:], len(self._last)) - 1])
        self._first = _with_room(self._first[starts])
        self._floors = _with_room(np.minimum.reduceat(self._floors, starts, axis=0))
        self._peaks = _with_room(np.maximum.reduceat(self._peaks, starts, axis=0))
        self._size = len(starts)


def _with_room(rows: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([rows, np.zeros((ROOM, *rows.shape[1:]), rows.dtype)])


def _starts(first: Counts, now: int) -> NDArray[np.int64]:
    """Which bins begin a new one when neighbours that are old enough are put together; what is too old is left out."""
    times = [*first.tolist(), now]
    begin = int(np.searchsorted(first, now - LOOKBACK_NS, side="right")) - 1
    starts = [max(begin, 0)]
    for number in range(starts[0] + 1, len(first)):
        end = times[number + 1]
        if (end - times[starts[-1]]) * RESOLUTION > now - end:
            starts.append(number)
    return np.array(starts, np.int64)
