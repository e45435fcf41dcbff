"""Whether a site's live count grows without end, judged from many points in time, never from two.

The rule stands in docs/adr/0012-growth.md.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis import benign_growth
from gosonde_collector.analysis.slope import Slope, theil_sen
from gosonde_collector.store.records import Series

SECOND: Final = 1_000_000_000
#: How long growth is looked for, shortest first, in seconds: fast leaks show in short windows, slow ones in long ones.
WINDOWS: Final = (45, 60, 80, 110, 150, 200, 270, 360, 480, 640, 860, 1_150, 1_530, 2_040, 2_720)
#: How far back the highest former count is looked for.
LOOKBACK_NS: Final = 3_600 * SECOND
#: Equal parts of a window.
PARTS: Final = 8
#: Parts in which the live count must rise, and for a rise of fewer than FEW goroutines.
RISING_PARTS, RISING_PARTS_OF_FEW = 7, 5
FEW: Final = 16
#: Goroutines by which the floor must rise within a window when next to none exits, and when some do.
MIN_GROWTH, MIN_GROWTH_AMONG_EXITS = 7, 10
#: The share of exits up to which next to none exits.
QUIET: Final = 0.02
#: A count that goes up and down by chance around N strays by about the root of N: that many times is no chance.
CHANCE: Final = 3.0
#: How far, against the whole rise, a count must lie below the straight line for growth to have begun later.
KNEE: Final = 0.05
STEADY, STEPS, BESIDE_EXITS, EXITS_STOPPED = "steady", "steps", "beside exits", "exits stopped"
#: Exits have stopped where this share of at least so many had exited before.
EXITED, EXITED_OF = 0.5, 20
#: A rise of that many at once, and nothing in that share of the time, is a step.
STEP, IDLE_SHARE = 4, 0.5

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Growth:
    """Live goroutines of a site grow.

    Attributes:
        window_s: The longest window, in seconds, in which they do.
        slope: Per second, over that window.
        grown: By how many the floor rises over it.
        rising_parts: In how many of its PARTS the count rose.
        created: Created within it.
        exited: Exited within it.
        since_unix_nano: When it began, as far as the steps reach back.
        shape: STEADY, STEPS (several at once, then nothing for a while), BESIDE_EXITS, or EXITS_STOPPED (before the
            second half of the window most of what was created exited).
    """

    window_s: int
    slope: Slope
    grown: int
    rising_parts: int
    created: int
    exited: int
    since_unix_nano: int
    shape: str


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Totals as steps: element i holds from `unix_nano[i]` until the next, the last one until `until_unix_nano`.

    All arrays have shape (n,), n >= 1, int64; `unix_nano` ascends. `baseline` goroutines lived when counting began.
    """

    unix_nano: Counts
    created: Counts
    exited: Counts
    until_unix_nano: int
    baseline: int = 0

    @classmethod
    def of(cls, series: Series) -> "Steps":
        """Those of a site."""
        return cls(series.unix_nano, series.created, series.exited, series.until_unix_nano, int(series.baseline[-1]))

    def at(self, unix_nano: Counts) -> tuple[Counts, Counts]:
        """Created and exited at each of the moments, in their shape; before the first step, what that holds."""
        index = self.index(unix_nano)
        return self.created[index], self.exited[index]

    def live_at(self, unix_nano: Counts) -> Counts:
        """Live goroutines at each of the moments."""
        live: Counts = self.live[self.index(unix_nano)]
        return live

    def index(self, unix_nano: Counts) -> Counts:
        """Which step holds at each of the moments."""
        return np.clip(np.searchsorted(self.unix_nano, unix_nano, side="right") - 1, 0, None)

    @property
    def live(self) -> Counts:
        """Shape (n,)."""
        return self.created - self.exited + self.baseline


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of time up to now, in PARTS equal parts.

    Attributes:
        levels: The lowest live count within each part, and the live count now; shape (PARTS + 1,). A burst that drains
            within a part does not show.
        created: Created within each part, shape (PARTS,).
        exited: The same.
        before: The highest live count before the window.
    """

    seconds: int
    levels: Counts
    created: Counts
    exited: Counts
    before: int

    @property
    def rise(self) -> int:
        """By how much the floor rose."""
        return int(self.levels[-2] - self.levels[0])

    @property
    def rising(self) -> int:
        """In how many parts the count rose."""
        return int(np.count_nonzero(np.diff(self.levels) > 0))

    @property
    def quiet(self) -> bool:
        """Whether next to none exits."""
        return bool(self.exited.sum() <= QUIET * self.created.sum())


def moments(first: int, last: int, parts: int) -> Counts:
    """The borders of equal parts of a stretch of time, in whole nanoseconds; shape (parts + 1,)."""
    borders: Counts = first + (last - first) * np.arange(parts + 1) // parts
    return borders


def find_growth(steps: Steps) -> Growth | None:
    """The growth over the longest window that shows it; None when none does."""
    live = steps.live
    highest = np.maximum.accumulate(live)
    for seconds in reversed(WINDOWS):
        start = steps.until_unix_nano - seconds * SECOND
        if start >= steps.unix_nano[0]:
            before = int(highest[steps.index(np.array([start]))[0]])
            # benign_growth.returns_to_former_level would say so too; most windows end here.
            if live[-1] > before:
                window = _window(steps, live, seconds, before)
                if _grows(window):
                    return _growth(steps, window, start)
    return None


def _window(steps: Steps, live: Counts, seconds: int, before: int) -> Window:
    index = steps.index(moments(steps.until_unix_nano - seconds * SECOND, steps.until_unix_nano, PARTS))
    return Window(
        seconds,
        np.append(lowest(live, index[:-1], index[1:] + 1), live[-1]),
        np.diff(steps.created[index]),
        np.diff(steps.exited[index]),
        before,
    )


def lowest(counts: NDArray[np.int32] | Counts, begin: Counts, end: Counts) -> Counts:
    """The lowest count from each index up to, but not at, another; along the first axis of `counts`."""
    padded = np.concatenate([counts, counts[-1:]])
    found: Counts = np.minimum.reduceat(padded, np.column_stack([begin, end]).ravel(), axis=0)[::2]
    return found


def _grows(window: Window) -> bool:
    return _rises(window) and not (
        benign_growth.levels_off(window.levels)
        or benign_growth.returns_to_former_level(window.levels, window.before)
        or benign_growth.settles(window.levels, window.exited)
        or benign_growth.follows_load(window.levels, window.created, window.exited)
    )


def _rises(window: Window) -> bool:
    needed = RISING_PARTS_OF_FEW if window.quiet and window.rise < FEW else RISING_PARTS
    still = window.levels[-3] if needed == RISING_PARTS_OF_FEW else window.levels[-2]
    if window.rising < needed or window.levels[-1] <= still:
        return False
    if window.quiet:
        return window.rise >= MIN_GROWTH
    by_chance = CHANCE * float(np.sqrt(max(int(window.levels[0]), 0)))
    return window.rise >= max(MIN_GROWTH_AMONG_EXITS, by_chance) and not benign_growth.is_random_walk(window.levels)


def _growth(steps: Steps, window: Window, start: int) -> Growth:
    return Growth(
        window.seconds,
        _slope(steps, start),
        window.rise,
        window.rising,
        int(window.created.sum()),
        int(window.exited.sum()),
        since(steps),
        _shape(steps, window, start),
    )


def _slope(steps: Steps, start: int) -> Slope:
    """Slope per second through what was really seen since `start`, which is less coarse than the parts."""
    seen = np.flatnonzero((steps.unix_nano >= start) & (np.diff(steps.unix_nano, prepend=-1) > 0))
    return theil_sen(steps.unix_nano[seen] / SECOND, steps.live[seen])


def _shape(steps: Steps, window: Window, start: int) -> str:
    middle = (start + steps.until_unix_nano) // 2
    created, exited = steps.at(np.array([middle, steps.until_unix_nano]))
    stopped = exited[1] - exited[0] <= QUIET * (created[1] - created[0])
    if stopped and created[0] >= EXITED_OF and exited[0] >= EXITED * created[0]:
        return EXITS_STOPPED
    if not window.quiet:
        return BESIDE_EXITS
    created, exited = steps.at(moments(start, steps.until_unix_nano, min(window.seconds, 512)))
    rises = np.diff(created - exited)
    idle = np.count_nonzero(rises <= 0) / len(rises)
    return STEPS if idle >= IDLE_SHARE and rises[rises > 0].mean() >= STEP else STEADY


def swings(live: Counts) -> int:
    """How often a count rose to half of its range or more, and then fell to a quarter of it or less."""
    low, high = int(live.min()), int(live.max())
    number, up = 0, False
    for count in live.tolist():
        if not up and count >= (low + high) / 2:
            up = True
        elif up and count <= low + (high - low) / 4:
            number, up = number + 1, False
    return number


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
