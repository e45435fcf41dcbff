"""Totals of a site as steps in time."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.store.records import Series

SECOND: Final = 1_000_000_000

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
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
        return np.maximum(np.searchsorted(self.unix_nano, unix_nano, side="right") - 1, 0)

    @cached_property
    def live(self) -> Counts:
        """Shape (n,)."""
        return self.created - self.exited + self.baseline

    @cached_property
    def seconds(self) -> Floats:
        """When each step began, since the first, shape (n,)."""
        seconds: Floats = (self.unix_nano - self.unix_nano[0]) / SECOND
        return seconds

    @cached_property
    def gaps_s(self) -> Floats:
        """How long each step held, the last one until now, shape (n,)."""
        return np.diff(self.seconds, append=(self.until_unix_nano - int(self.unix_nano[0])) / SECOND)

    @cached_property
    def lived_s(self) -> Floats:
        """For how long all that lived since the first step did so, in sum, in seconds; at each step, shape (n,)."""
        lived = np.zeros(len(self.live))
        np.cumsum((self.live[1:] + self.live[:-1]) / 2 * self.gaps_s[:-1], out=lived[1:])
        return lived


def moments(first: int, last: int, parts: int) -> Counts:
    """The borders of equal parts of a stretch of time, in whole nanoseconds; shape (parts + 1,)."""
    borders: Counts = first + (last - first) * np.arange(parts + 1) // parts
    return borders


def lowest(counts: NDArray[np.int32] | Counts, begin: Counts, end: Counts) -> Counts:
    """The lowest count from each index up to, but not at, another; along the first axis of `counts`."""
    padded = np.concatenate([counts, counts[-1:]])
    found: Counts = np.minimum.reduceat(padded, np.column_stack([begin, end]).ravel(), axis=0)[::2]
    return found
