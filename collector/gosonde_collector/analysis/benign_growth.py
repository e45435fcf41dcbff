"""What rises like a leak and is none: chance, warm-ups, what has been there before, load. See settling, too."""

from typing import Final

import numpy as np

from gosonde_collector.analysis.steps import Counts, Floats
from gosonde_collector.analysis.window import PARTS, Window

#: The mean rise of a part against the standard deviation of those rises.
EVEN: Final = 1.8
#: The rise of the second half of a window against that of the first; below, the count levels off.
LEVELLING: Final = 0.5
#: How much of the growth of a population the load must explain (an exponent).
LOAD_EXPLAINS: Final = 0.5
#: The share of what is created that exits in a population that load drives.
TURNOVER: Final = 0.5


def is_random_walk(window: Window) -> bool:
    """The rises of the parts differ so much that their mean may be chance."""
    rates = np.diff(window.floors[window.seen]) / np.maximum(np.diff(window.begins[:-1]), 1e-9)
    return bool(rates.mean() < EVEN * rates.std(ddof=1))


def levels_off(window: Window) -> bool:
    """The second half rises less than half as fast as the first: a warm-up."""
    # With parts that were not seen, the count now is needed too: the floor before it may be old.
    known = slice(None, -1 if window.seen.sum() == PARTS else None)
    early, late = _halves(window.begins[known], window.levels[known])
    return late < LEVELLING * early


def returns_to_former_level(window: Window) -> bool:
    """The count was as high before the window: a batch, a day's rhythm, a pool that fills again."""
    return bool(np.median([*window.floors[-2:], window.live]) <= window.before)


def follows_load(window: Window) -> bool:
    """What is created rises as the count does, and most of it exits: more work, not more that stays.

    No rise that may be an error of an estimate is taken for one.
    """
    if window.exited_within < TURNOVER * window.created_within:
        return False
    first, second = _halves(window.seconds_at, window.created)
    first, second = first + window.doubt[0], second - window.doubt[1]
    fewer, more = _halves(window.seconds_at, window.lived_s)
    larger = (max(more, 0.0) + 1) / (max(fewer, 0.0) + 1)
    return second > first and (second + 1) / (first + 1) >= max(larger, 1.0) ** LOAD_EXPLAINS


def _halves(seconds: Floats, values: Counts | Floats) -> tuple[float, float]:
    """By how much values rise in the first and in the second half of the time."""
    middle = np.interp((seconds[0] + seconds[-1]) / 2, seconds, values)
    return float(middle - values[0]), float(values[-1] - middle)
