"""Totals of a site as steps in time."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis.amounts import Amount, gained, held
from gosonde_collector.store.records import Estimates, Series

SECOND: Final = 1_000_000_000

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

NOTHING_ESTIMATED: Final = Estimates(np.zeros(1, np.int64), np.zeros((3, 1), np.int64), np.zeros((3, 1), np.int64))


@dataclass(frozen=True, eq=False)
class Steps:
    """Totals as steps: element i holds from `unix_nano[i]` until the next, the last one until `until_unix_nano`.

    All arrays have shape (n,), n >= 1, int64; `unix_nano` ascends. `baseline` goroutines lived when counting began.

    Attributes:
        created: Those that are certain: `live` is exact, whatever is estimated.
        exited: The same.
        estimates: What these lack; None where nothing is estimated.
    """

    unix_nano: Counts
    created: Counts
    exited: Counts
    until_unix_nano: int
    baseline: int = 0
    estimates: Estimates | None = None

    @classmethod
    def of(cls, series: Series) -> "Steps":
        """Those of a site."""
        baseline = int(series.baseline[-1])
        return cls(series.unix_nano, series.created, series.exited, series.until_unix_nano, baseline, series.estimates)

    def at(self, unix_nano: Counts) -> tuple[Counts, Counts]:
        """Begun and ended at each of the moments, in their shape; before the first step, what that holds."""
        index = self.index(unix_nano)
        return self.begun[index], self.ended[index]

    def created_between(self, first: int, last: int) -> Amount:
        """What was created from one moment to another."""
        return self._between(self.created, self._estimates.created, first, last)

    def exited_between(self, first: int, last: int) -> Amount:
        """What exited from one moment to another."""
        return self._between(self.exited, self._estimates.exited, first, last)

    def _between(self, certain: Counts, rows: Counts, first: int, last: int) -> Amount:
        both = np.array([first, last])
        before, now = certain[self.index(both)].tolist()
        return gained(*held(self._estimates.unix_nano, rows, both).T.tolist()).plus(now - before)

    @property
    def totals(self) -> tuple[Amount, Amount]:
        """Created and exited since counting began."""
        created, exited = (Amount(*rows[:, -1].tolist()) for rows in (self._estimates.created, self._estimates.exited))
        return created.plus(int(self.created[-1])), exited.plus(int(self.exited[-1]))

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
    def begun(self) -> Counts:
        """All that was created, what is estimated too, shape (n,), never falling."""
        return self._with(self.created, self._estimates.created)

    @cached_property
    def ended(self) -> Counts:
        """All that exited, what is estimated too, shape (n,), never falling."""
        return self._with(self.exited, self._estimates.exited)

    def _with(self, certain: Counts, rows: Counts) -> Counts:
        sums: Counts = np.maximum.accumulate(certain + held(self._estimates.unix_nano, rows, self.unix_nano)[0])
        return sums

    @property
    def _estimates(self) -> Estimates:
        return self.estimates or NOTHING_ESTIMATED

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
