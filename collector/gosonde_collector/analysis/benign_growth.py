"""What rises like a leak and is none: chance, warm-ups, what has been there before, populations that settle, load.

Each function takes the levels of a window (the lowest live count of each part, and the count now; shape (n + 1,)) and
what was created and exited in each part (shape (n,)).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: The mean rise of a part against its standard error: a walk without direction goes beyond that once in 3,000 times.
DIRECTION: Final = 6.0
#: The rise of the second half of a window against that of the first; below, the count levels off.
LEVELLING: Final = 0.5
#: Exits that say something.
MIN_EXITS: Final = 5
#: Standard deviations by which exits must fail to follow the live count.
NOT_BY_CHANCE: Final = 3.5
#: How much of the growth of a population the load must explain (an exponent).
LOAD_EXPLAINS: Final = 0.5
#: The share of what is created that exits in a population that load drives.
TURNOVER: Final = 0.5

Counts = NDArray[np.int64]


def is_random_walk(levels: Counts) -> bool:
    """The rises of the parts differ so much that their mean may be chance."""
    rises = np.diff(levels[:-1])
    return bool(rises.mean() < DIRECTION * rises.std(ddof=1) / np.sqrt(len(rises)))


def levels_off(levels: Counts) -> bool:
    """The second half rises less than half as fast as the first: a warm-up."""
    floors = levels[:-1]
    half = len(floors) // 2
    return bool(floors[-1] - floors[half] < LEVELLING * (floors[half - 1] - floors[0]))


def returns_to_former_level(levels: Counts, before: int) -> bool:
    """The count was as high before the window: a batch, a day's rhythm, a pool that fills again."""
    return bool(np.median(levels[-3:]) <= before)


def settles(levels: Counts, exited: Counts) -> bool:
    """The more live, the more exit, as when each member of a population lives for a while: it will find its level.

    What leaks does not exit, so that exits do not follow the live count. Whether they do is a question of numbers: what
    exits in the second half must be so much less than the live count's share that it is no chance.
    """
    total = int(exited.sum())
    if total < MIN_EXITS:
        return False
    first, second = _halves(_middles(levels))
    share = (second + 1) / (first + second + 2)
    _, seen = _halves(exited)
    return bool(seen - share * total > -NOT_BY_CHANCE * np.sqrt(total * share * (1 - share)))


def follows_load(levels: Counts, created: Counts, exited: Counts) -> bool:
    """What is created rises as the count does, and most of it exits: more work, not more that stays."""
    if exited.sum() < TURNOVER * created.sum():
        return False
    first, second = _halves(created)
    return bool((second + 1) / (first + 1) >= max(_larger(levels), 1.0) ** LOAD_EXPLAINS and second > first)


def _halves(values: Counts) -> tuple[int, int]:
    half = len(values) // 2
    return int(values[:half].sum()), int(values[half:].sum())


def _middles(levels: Counts) -> Counts:
    """How many live in the middle of each part, about."""
    middles: Counts = np.maximum(levels[:-1] + levels[1:], 0) // 2
    return middles


def _larger(levels: Counts) -> float:
    """The population of the second half against that of the first."""
    first, second = _halves(_middles(levels))
    return (second + 1) / (first + 1)
