"""How many goroutines, where some of them are estimated: a number and its bounds."""

from collections.abc import Sequence
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

#: Before a number that contains an estimate.
ABOUT: Final = "~"


class Amount(NamedTuple):
    """With 95 % not less than `low` and not more than `high`; both are the number itself where nothing is estimated."""

    number: int
    low: int
    high: int

    def __str__(self) -> str:
        """For people: "120", "~120 (100 to 140)"."""
        if self.low == self.high:
            return str(self.number)
        return f"{ABOUT}{self.number} ({self.low} to {self.high})"

    def plus(self, certain: int) -> "Amount":
        """With so many more that are certain."""
        return Amount(self.number + certain, self.low + certain, self.high + certain)


def held(unix_nano: Counts, rows: Counts, moments: Counts) -> Counts:
    """The rows (3, n) that hold at moments (m,), each from its own time on: shape (3, m), zeros before the first."""
    index = np.searchsorted(unix_nano, moments, side="right")
    padded: Counts = np.concatenate([np.zeros((3, 1), np.int64), rows], axis=1)
    return padded[:, index]


def gained(before: Sequence[int], now: Sequence[int]) -> Amount:
    """By how much what is estimated rose from one row (estimate, low, high) to a later one.

    Both totals have errors that they may share or not. So the rise is no surer, for its size, than the whole is; and
    what came later no surer than if it were independent of what came before.
    """
    (number, low, high), (earlier, earlier_low, earlier_high) = now, before
    rise = max(number - earlier, 0)
    share = rise / max(number, 1)
    fewer = _error(number - low, earlier - earlier_low, share)
    more = max(_error(high - number, earlier_high - earlier, share), earlier - number)
    return Amount(rise, max(rise - fewer, 0), rise + more)


def _error(now: int, before: int, share: float) -> int:
    return round(max(now * share, sqrt(max((now - before) * (now + before), 0))))
