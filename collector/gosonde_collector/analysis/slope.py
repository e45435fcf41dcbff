"""Theil and Sen's slope: the median of the slopes between all pairs of points, with Sen's bounds."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Points that are used, at most: they make some 2,000 pairs.
MAX_POINTS: Final = 64
#: Standard deviations to each side of the middle between which 95 in 100 values of a normal distribution lie.
NORMAL_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope lies between `low` and `high` in 95 cases of 100."""

    middle: float
    low: float
    high: float


def theil_sen(moments: NDArray[Any], values: NDArray[Any]) -> Slope:
    """The slope of `values` over `moments`, which ascend strictly; all zero when there are fewer than two points."""
    if len(moments) < 2:
        return Slope(0.0, 0.0, 0.0)
    chosen = np.linspace(0, len(moments) - 1, min(len(moments), MAX_POINTS)).astype(np.int64)
    x, y = np.asarray(moments, np.float64)[chosen], np.asarray(values, np.float64)[chosen]
    first, second = np.triu_indices(len(x), k=1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    spread = NORMAL_95 * np.sqrt(len(x) * (len(x) - 1) * (2 * len(x) + 5) / 18)
    low = max(int((len(slopes) - spread) / 2), 0)
    return Slope(float(np.median(slopes)), float(slopes[low]), float(slopes[len(slopes) - 1 - low]))
