"""Whether a site's live count grows without end, judged from many points in time, never from two.

The rule stands in docs/adr/0012-growth.md.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from gosonde_collector.analysis import benign_growth
from gosonde_collector.analysis.amounts import Amount
from gosonde_collector.analysis.settling import settles
from gosonde_collector.analysis.shape import lasting_s, shape_of, since
from gosonde_collector.analysis.slope import Slope, theil_sen
from gosonde_collector.analysis.steps import SECOND, Counts, Steps
from gosonde_collector.analysis.window import PARTS, Window

#: How long growth is looked for, shortest first, in seconds: fast leaks show in short windows, slow ones in long ones.
WINDOWS: Final = (45, 60, 80, 110, 150, 200, 270, 360, 480, 640, 860, 1_150, 1_530, 2_040, 2_720)
#: How far back the highest former count is looked for.
LOOKBACK_NS: Final = 3_600 * SECOND
#: Parts that must be seen, in which the live count must rise, but for every eighth.
MIN_PARTS: Final = 4
#: Parts in which it must rise when fewer than FEW goroutines stay: rare events come unevenly.
RISING_PARTS_OF_FEW: Final = 5
FEW: Final = 16
#: A rise goes on while the last news is no older than so many times the usual gap between two.
GAPS: Final = 1.5
#: Goroutines by which the floor must rise within a window when next to none exits, and when some do; FEW when some do
#: and not every part was seen.
MIN_GROWTH, MIN_GROWTH_AMONG_EXITS = 7, 10
#: A count that goes up and down by chance around N strays by about the root of N: that many times is no chance.
CHANCE: Final = 3.0
#: Whatever rises for less than that, in seconds, may be clients or workers that arrive, all of them in use.
ARRIVING_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Growth:
    """Live goroutines of a site grow.

    Attributes:
        window_s: The longest window, in seconds, in which they do.
        slope: Per second, over that window.
        grown: By how many the floor rises over it.
        created: Created within it, with what is estimated.
        exited: Exited within it.
        since_unix_nano: When it began, as far as the steps reach back.
        shape: STEADY, STEPS (several at once, then nothing for a while), BESIDE_EXITS, or EXITS_STOPPED (before the
            second half of the window most of what was created exited).
        lasting_s: For how long it lasts, at least, in seconds.
        turnover: Created and exited as amounts; None where nothing is estimated.
    """

    window_s: int
    slope: Slope
    grown: int
    created: int
    exited: int
    since_unix_nano: int
    shape: str
    lasting_s: float
    turnover: tuple[Amount, Amount] | None = None

    @property
    def stays(self) -> bool:
        """Whether it lasts for longer than it takes until all clients or workers of a healthy pool are there."""
        return self.lasting_s >= ARRIVING_S


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
                window = Window.of(steps, seconds, before)
                if _grows(window) and not settles(steps, seconds):
                    return _growth(steps, window)
    return None


def _grows(window: Window) -> bool:
    return (
        _rises(window)
        and _rises_enough(window)
        and not benign_growth.levels_off(window)
        and not benign_growth.returns_to_former_level(window)
        and not benign_growth.follows_load(window)
    )


def _rises(window: Window) -> bool:
    levels: Counts = window.levels
    parts = len(levels) - 1
    few = window.quiet and window.rise < FEW
    needed = RISING_PARTS_OF_FEW if few else max(parts - parts // PARTS, MIN_PARTS)
    if parts < MIN_PARTS or window.rising < needed or window.live <= levels[-3 if few else -2]:
        return False
    return window.silence_s <= (1 + few) * window.seconds / PARTS or window.silence_s <= GAPS * window.gap_s


def _rises_enough(window: Window) -> bool:
    if window.quiet:
        return window.rise >= MIN_GROWTH
    least = MIN_GROWTH_AMONG_EXITS if window.seen.all() else FEW
    by_chance = CHANCE * float(np.sqrt(max(int(window.floors[0]), 0)))
    return window.rise >= max(least, by_chance) and not benign_growth.is_random_walk(window)


def _growth(steps: Steps, window: Window) -> Growth:
    start, end = steps.until_unix_nano - window.seconds * SECOND, steps.until_unix_nano
    turnover = steps.created_between(start, end), steps.exited_between(start, end)
    return Growth(
        window.seconds,
        _slope(steps, steps.until_unix_nano - window.seconds * SECOND),
        window.rise,
        turnover[0].number,
        turnover[1].number,
        since(steps),
        shape_of(steps, window.seconds, quiet=window.quiet),
        lasting_s(steps, window.seconds),
        turnover if steps.estimates else None,
    )


def _slope(steps: Steps, start: int) -> Slope:
    """Slope per second through what was really seen since `start`, which is less coarse than the parts."""
    seen = np.flatnonzero((steps.unix_nano >= start) & (np.diff(steps.unix_nano, prepend=-1) > 0))
    return theil_sen(steps.unix_nano[seen] / SECOND, steps.live[seen])
