"""Which of a process's sites cannot grow, by a quick check of all of them, from bins that are coarser than the rule.

Each test is a condition that growth.find_growth also makes, weakened by what the bins leave open: a level lies between
the lowest count of all bins that touch its part and the lowest of those that lie within it for certain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis.benign_growth import LEVELLING
from gosonde_collector.analysis.growth import LOOKBACK_NS, MIN_GROWTH, MIN_PARTS, WINDOWS
from gosonde_collector.analysis.steps import SECOND, lowest, moments
from gosonde_collector.analysis.window import PARTS

Counts = NDArray[np.int64]
Columns = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The bins of history.History, the last of which reaches to `until_unix_nano`.

    Attributes:
        first: When the first step of each bin began, shape (bins,), int64, ascending.
        last: When its last step began; the same where a bin is one step.
        floors: The lowest live count in it, shape (bins, sites).
        peaks: The highest.
    """

    first: Counts
    last: Counts
    floors: NDArray[np.int32]
    peaks: NDArray[np.int32]
    until_unix_nano: int

    def holding(self, unix_nano: Counts) -> Counts:
        """The bin that each moment lies in, in its shape."""
        return np.maximum(self.first.searchsorted(unix_nano, side="right") - 1, 0)

    def of(self, columns: Columns) -> "Bins":
        """The same of some sites."""
        return Bins(self.first, self.last, self.floors[:, columns], self.peaks[:, columns], self.until_unix_nano)


def suspects(bins: Bins, live: Counts, windows: Sequence[int] = WINDOWS) -> Columns:
    """The columns that may grow over any window; `live` are the newest counts, shape (sites,)."""
    possible = [s for seconds in reversed(windows) if (s := bins.until_unix_nano - seconds * SECOND) >= bins.first[0]]
    left = np.flatnonzero(live - bins.floors.min(axis=0) >= MIN_GROWTH)
    # The longer the window, the less lies before it: whatever is not above that grows over no shorter one either.
    if possible and left.size:
        before = _before(bins.of(left), bins.holding(np.array(possible[:1])))
        left = left[live[left] > before[0]]
    if not possible or not left.size:
        return np.empty(0, np.int64)
    return left[_may_grow(bins.of(left), live[left], np.array(possible))]


def _may_grow(bins: Bins, live: Counts, starts: Counts) -> NDArray[np.bool_]:
    """Of each site, whether it may grow over a window that begins at one of the moments."""
    found = np.zeros(len(live), np.bool_)
    before = _before(bins, bins.holding(starts))
    for start, highest in zip(starts.tolist(), before, strict=True):
        left = np.flatnonzero(~found & (live > highest))
        if left.size:
            found[left] = _rises(*_levels(bins.of(left), start, live[left]), highest[left])
    return found


def _before(bins: Bins, holding: Counts) -> Counts:
    """What the highest count of the lookback up to each of some bins is at least, shape (len(holding), sites)."""
    oldest = int(bins.holding(np.array([bins.until_unix_nano - LOOKBACK_NS]))[0])
    single = bins.first == bins.last
    certain = bins.peaks[oldest:].astype(np.int64)
    if not single[oldest]:
        certain[0] = bins.floors[oldest]
    certain = np.maximum.accumulate(certain, axis=0)
    before = np.maximum(certain[np.maximum(holding - oldest - 1, 0)], bins.floors[holding])
    highest: Counts = np.where(single[holding][:, None], certain[holding - oldest], before)
    return np.where((holding > oldest)[:, None], highest, certain[:1])


def _levels(bins: Bins, start: int, live: Counts) -> tuple[Counts, Counts]:
    """What the levels of a window are at least and at most, the newest counts being the last; (PARTS + 1, sites)."""
    grid = moments(start, bins.until_unix_nano, PARTS)
    at = bins.holding(grid)
    begin, end = at[:-1], at[1:]
    least = lowest(bins.floors, begin, end + 1)
    # At both ends of a part the count is no higher than the peak of the bin there.
    most = np.minimum(bins.peaks[begin], bins.peaks[end])
    certain = begin + (bins.first[begin] != bins.last[begin])
    behind = end + (bins.last[end] <= grid[1:])
    within = lowest(bins.floors, np.minimum(certain, len(bins.first) - 1), behind)
    most = np.where((certain < behind)[:, None], np.minimum(most, within), most)
    return np.vstack([least, live]).astype(np.int64), np.vstack([most, live]).astype(np.int64)


def _rises(least: Counts, most: Counts, before: Counts) -> NDArray[np.bool_]:
    rising = np.count_nonzero(most[1:] > least[:-1], axis=0)
    # What the count was at half the time lies between two looks, which may be far apart.
    middle, top = least[1:-1].min(axis=0), most[-2:].max(axis=0)
    late_levels = np.sort(most[-3:], axis=0)
    may: NDArray[np.bool_] = (
        (late_levels[1] > before)
        & (most[-2] - least[0] >= MIN_GROWTH)
        & (rising >= MIN_PARTS)
        & (top - middle >= LEVELLING * (middle - most[0]))
    )
    return may
