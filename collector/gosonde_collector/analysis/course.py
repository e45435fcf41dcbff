"""How a site and the garbage collector of its process went in the last hour, at moments that were observed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from gosonde_common.staleness import is_stale
from numpy.typing import NDArray

from gosonde_collector.analysis.growth import LOOKBACK_NS
from gosonde_collector.analysis.steps import SECOND, Steps, moments
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import GcColumns, Series

#: Points, at most, beside those around gaps.
POINTS: Final = 120
#: Observations from one point to the next, at least: between fewer a rate says more of when they came than of what they
#: saw.
OBSERVATIONS: Final = 5

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """What an observation showed, and what was seen since the point before.

    Attributes:
        is_after_gap: Nothing was observed for a long time between the point before and this one.
        created_per_second: None for the first point and after a gap; `exited_per_second` too.
        is_estimated: These two contain an estimate.
        gc_cycles: How many ended.
        longest_pause_ns: The longest stop of the world; None when there was none.
        heap_marked_bytes: What the last cycle found alive; None when it is not known. `heap_goal_bytes` too: at which
            size the next one was to end.
    """

    unix_nano: int
    live: int
    is_after_gap: bool
    created_per_second: float | None
    exited_per_second: float | None
    is_estimated: bool
    gc_cycles: int
    longest_pause_ns: int | None
    heap_marked_bytes: int | None
    heap_goal_bytes: int | None


def course(store: Store, series: Series) -> tuple[Point, ...]:
    """The oldest point first. Raises StoreError."""
    key = series.number, series.site.pc
    estimates = None if series.timers else store.estimates([key], LOOKBACK_NS).get(key)
    first = max(int(series.unix_nano[0]), series.until_unix_nano - LOOKBACK_NS)
    heard = np.append(first, store.heard(series.number, first + 1))
    gc = store.gc_columns(series.number, first)
    return tuple(_points(Steps.of(replace(series, estimates=estimates)), heard, gc))


def _moments(heard: Counts, gaps: NDArray[np.bool_]) -> Counts:
    """Some of the observations, about evenly apart, and those around gaps."""
    parts = min(max(len(heard) // OBSERVATIONS, 1), POINTS - 1)
    even = np.searchsorted(heard, moments(int(heard[0]), int(heard[-1]), parts), side="right") - 1
    behind = np.flatnonzero(gaps)
    chosen: Counts = heard[np.unique(np.concatenate([even, behind, behind - 1]))]
    return np.unique(chosen)


def _points(steps: Steps, heard: Counts, gc: GcColumns) -> Iterator[Point]:
    silent = _gaps(heard)
    at = _moments(heard, silent)
    gaps = np.isin(at, heard[silent])
    created, exited = (_rates(steps, at, which) for which in (0, 1))
    estimated = _contains_estimates(steps, at)
    cycles = np.diff(np.searchsorted(gc.end_unix_nano, at, side="right"), prepend=0)
    pauses = _longest(gc, at)
    marked, goal = _heap(gc, at, gaps)
    for i, (moment, live) in enumerate(zip(at.tolist(), steps.live_at(at).tolist(), strict=True)):
        has_rates = i > 0 and not gaps[i]
        yield Point(
            unix_nano=moment,
            live=live,
            is_after_gap=bool(gaps[i]),
            created_per_second=created[i] if has_rates else None,
            exited_per_second=exited[i] if has_rates else None,
            is_estimated=has_rates and estimated[i],
            gc_cycles=int(cycles[i]) if i else 0,
            longest_pause_ns=pauses[i] or None,
            heap_marked_bytes=marked[i] or None,
            heap_goal_bytes=goal[i] or None,
        )


def _gaps(heard: Counts) -> NDArray[np.bool_]:
    """Whether each observation comes too long after the one before."""
    apart = np.diff(heard, prepend=heard[0])
    usual = int(np.median(apart))
    return np.array([is_stale(ns, usual) for ns in apart.tolist()], np.bool_)


def _rates(steps: Steps, at: Counts, which: int) -> list[float]:
    """Per second since the moment before, of what was created (0) or exited (1)."""
    seconds = np.diff(at, prepend=at[0] - SECOND) / SECOND
    rates: list[float] = (np.diff(steps.at(at)[which], prepend=0) / seconds).tolist()
    return rates


def _contains_estimates(steps: Steps, at: Counts) -> list[bool]:
    index = steps.index(at)
    all_of_them = steps.begun[index] + steps.ended[index]
    beyond = all_of_them - steps.created[index] - steps.exited[index]
    return [bool(gained) for gained in np.diff(beyond, prepend=0)]


def _longest(gc: GcColumns, at: Counts) -> list[int]:
    """The longest pause that began since the moment before, up to each; 0 when there was none."""
    longest = np.zeros(len(at) + 1, np.int64)
    np.maximum.at(longest, np.searchsorted(at, gc.pause_unix_nano), gc.pause_ns)
    longest[0] = 0
    pauses: list[int] = longest[:-1].tolist()
    return pauses


def _heap(gc: GcColumns, at: Counts, gaps: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """What the last cycle before each moment found, and its goal; 0 where a gap lies between, or none was."""
    known = gc.marked_bytes > 0
    ends, marked, goal = gc.end_unix_nano[known], gc.marked_bytes[known], gc.goal_bytes[known]
    before = np.concatenate([at[:1] - 1, at[:-1]])
    not_before = np.maximum.accumulate(np.where(gaps, before, 0))
    last = np.searchsorted(ends, at, side="right") - 1
    found = [place if place >= 0 and ends[place] > least else -1 for place, least in zip(last, not_before, strict=True)]
    return (
        [int(marked[place]) if place >= 0 else 0 for place in found],
        [int(goal[place]) if place >= 0 else 0 for place in found],
    )
