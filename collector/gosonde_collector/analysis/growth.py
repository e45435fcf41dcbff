"""Whether a site's live count grows without end, judged from many points in time, never from two.

The rule stands in docs/adr/0012-growth.md.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SECOND: Final = 1_000_000_000
#: How long growth is looked for, shortest first, in seconds: fast leaks show in short windows, slow ones in long ones.
WINDOWS: Final = (10, 30, 60, 120, 300, 900, 1_800)
#: How far back the highest former count is looked for.
LOOKBACK_NS: Final = 3_600 * SECOND
#: Equal parts of a window.
PARTS: Final = 8
#: Parts in which the live count must rise.
RISING_PARTS: Final = 7
#: Goroutines by which a site must grow within a window.
MIN_GROWTH: Final = 10
#: A count that goes up and down by chance around N strays by about the root of N: that many times is no chance.
CHANCE: Final = 3.0
#: The mean rise of a part against its standard error: a walk without direction goes beyond that once in 3,000 times.
DIRECTION: Final = 6.0
#: The slope of the second half of a window against that of the first; below, the count levels off.
LEVELLING: Final = 0.5
#: Points of a window that its rate is taken from, at most.
RATE_POINTS: Final = 64
#: How far, against the whole rise, a count must lie below the straight line for growth to have begun later.
KNEE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Growth:
    """Live goroutines of a site grow.

    Attributes:
        window_s: The longest window, in seconds, in which they do.
        per_second: Theil-Sen slope over that window.
        grown: By how many the line rises over it.
        rising_parts: In how many of its PARTS the count rose.
        created: Created within it.
        exited: Exited within it.
        since_unix_nano: When it began, as far as the steps reach back.
    """

    window_s: int
    per_second: float
    grown: float
    rising_parts: int
    created: int
    exited: int
    since_unix_nano: int


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Totals as steps: element i holds from `unix_nano[i]` until the next, the last one until `until_unix_nano`.

    All arrays have shape (n,), n >= 1, int64; `unix_nano` ascends.
    """

    unix_nano: NDArray[np.int64]
    created: NDArray[np.int64]
    exited: NDArray[np.int64]
    until_unix_nano: int

    def at(self, unix_nano: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Created and exited at each of the moments, in their shape; before the first step, what that holds."""
        index = np.clip(np.searchsorted(self.unix_nano, unix_nano, side="right") - 1, 0, None)
        return self.created[index], self.exited[index]

    @property
    def live(self) -> NDArray[np.int64]:
        """Shape (n,)."""
        return self.created - self.exited


def find_growth(steps: Steps) -> Growth | None:
    """The growth over the longest window that shows it; None when none does."""
    starts = steps.until_unix_nano - np.array(WINDOWS) * SECOND
    past = int(np.count_nonzero(starts >= steps.unix_nano[0]))
    grids = np.linspace(starts[:past], steps.until_unix_nano, PARTS + 1, axis=1).astype(np.int64)
    created, exited = steps.at(grids)
    live = created - exited
    rising = np.count_nonzero(np.diff(live) > 0, axis=1)
    for window in reversed(range(past)):
        if rising[window] >= RISING_PARTS and _grows(steps, int(starts[window]), live[window]):
            return Growth(
                WINDOWS[window],
                _rate(steps, int(starts[window])),
                _rise(live[window]),
                int(rising[window]),
                int(created[window, -1] - created[window, 0]),
                int(exited[window, -1] - exited[window, 0]),
                since(steps),
            )
    return None


def _grows(steps: Steps, start: int, live: NDArray[np.int64]) -> bool:
    by_chance = CHANCE * float(np.sqrt(max(int(live[0]), 0)))
    if _rise(live) < max(MIN_GROWTH, by_chance):
        return False
    return not (_wanders(live) or _levels_off(live) or _was_here_before(steps, start, live))


def _rise(live: NDArray[np.int64]) -> float:
    """By how much the line through the values rises from the first to the last."""
    return theil_sen(np.arange(PARTS + 1), live) * PARTS


def theil_sen(moments: NDArray[np.int64], values: NDArray[np.int64]) -> float:
    """Median of the slopes between all pairs of points; the moments ascend strictly. Shapes (n,), n >= 2."""
    first, second = np.triu_indices(len(values), k=1)
    return float(np.median((values[second] - values[first]) / (moments[second] - moments[first])))


def _rate(steps: Steps, start: int) -> float:
    """Slope per second through what was really seen since `start`, which is less coarse than the parts."""
    seen = np.flatnonzero((steps.unix_nano >= start) & (np.diff(steps.unix_nano, prepend=-1) > 0))
    chosen = seen[np.linspace(0, len(seen) - 1, min(len(seen), RATE_POINTS)).astype(np.int64)]
    return theil_sen(steps.unix_nano[chosen], steps.live[chosen]) * SECOND


def _wanders(live: NDArray[np.int64]) -> bool:
    rises = np.diff(live)
    return bool(rises.mean() < DIRECTION * rises.std(ddof=1) / np.sqrt(len(rises)))


def _levels_off(live: NDArray[np.int64]) -> bool:
    half = PARTS // 2
    moments = np.arange(half + 1)
    return theil_sen(moments, live[half:]) < LEVELLING * theil_sen(moments, live[: half + 1])


def _was_here_before(steps: Steps, start: int, live: NDArray[np.int64]) -> bool:
    before = steps.live[steps.unix_nano <= start]
    return bool(np.median(live[-3:]) <= before.max())


def since(steps: Steps) -> int:
    """When growth began: where the live count is furthest below the straight line from its first to its last value.

    The first step when it is nowhere below that line by more than KNEE of the whole rise.
    """
    live, times = steps.live, steps.unix_nano - steps.unix_nano[0]
    if not times[-1]:
        return int(steps.unix_nano[0])
    below = live[0] + (live[-1] - live[0]) * (times / times[-1]) - live
    furthest = int(np.argmax(below))
    if below[furthest] <= KNEE * (live.max() - live.min()):
        return int(steps.unix_nano[0])
    return int(steps.unix_nano[furthest])
