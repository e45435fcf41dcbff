"""Goroutines of one site that begin and end by chance, and what an agent sees of them at uneven intervals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from gosonde_collector.analysis.growth import WINDOWS, Growth, find_growth
from gosonde_collector.analysis.steps import SECOND, Steps
from numpy.typing import NDArray

from tests.unit.collector.batches import START

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """When goroutines begin and end, in seconds since counting began, each ascending; those that stay do not end."""

    begins: Times
    ends: Times

    def beside(self, other: "Lives") -> "Lives":
        """Those of both."""
        return Lives(
            np.sort(np.concatenate([self.begins, other.begins])), np.sort(np.concatenate([self.ends, other.ends]))
        )


def arrivals(random: np.random.Generator, rate: Callable[[Times], Times] | float, seconds: float) -> Times:
    """Moments of a Poisson process, `rate` a second, thinned where the rate changes with time."""
    if not callable(rate):
        return np.sort(random.uniform(0, seconds, random.poisson(rate * seconds)))
    most = float(rate(np.linspace(0, seconds, 1_000)).max())
    times = arrivals(random, most, seconds)
    return times[random.uniform(0, most, len(times)) < rate(times)]


def leak(random: np.random.Generator, per_second: float, exiting: float, seconds: float, brief_s: float = 1) -> Lives:
    """Of what is created, a share exits soon; the rest stays."""
    begins = arrivals(random, per_second, seconds)
    exits = random.uniform(size=len(begins)) < exiting
    return Lives(begins, np.sort(begins[exits] + random.exponential(brief_s, int(exits.sum()))))


def population(
    random: np.random.Generator,
    rate: Callable[[Times], Times] | float,
    lifetime_s: float,
    seconds: float,
    size: int = 0,
) -> Lives:
    """All exit, each after a lifetime of its own; `size` were there at the beginning."""
    begins = np.concatenate([np.zeros(size), arrivals(random, rate, seconds)])
    return Lives(begins, np.sort(begins + random.exponential(lifetime_s, len(begins))))


def ramp(per_second: float, rise_s: float) -> Lives:
    """Members come at an even pace until all are there, and stay."""
    return Lives(np.arange(1, int(per_second * rise_s) + 1) / per_second, np.empty(0))


def batches(random: np.random.Generator, size: int, every_s: float, rise_s: float, seconds: float) -> Lives:
    """Every so often `size` begin within `rise_s`, and all end within as long afterwards."""
    first = np.arange(0, seconds, every_s)[:, None]
    begins = first + np.sort(random.uniform(0, rise_s, (len(first), size)), axis=1)
    return Lives(np.sort(begins.ravel()), np.sort((begins + rise_s).ravel()))


def observed(random: np.random.Generator, lives: Lives, every_s: float, seconds: float, jitter: float = 0.5) -> Steps:
    """What is stored when an agent looks every so often, give or take a share of that: a row for each change."""
    waits = every_s * random.uniform(1 - jitter, 1 + jitter, int(seconds / every_s / (1 - jitter)) + 1)
    looks = np.concatenate([[0.0], np.cumsum(waits)])
    looks = looks[looks <= seconds]
    created = np.searchsorted(lives.begins, looks, side="right")
    exited = np.searchsorted(lives.ends, looks, side="right")
    times = START + (looks * SECOND).astype(np.int64)
    created[0], exited[0] = 0, 0
    changed = np.diff(created + exited, prepend=-1) > 0
    return Steps(times[changed], created[changed], exited[changed], int(times[-1]))


def seen_until(whole: Steps, unix_nano: int) -> Steps:
    """What had been stored by a moment."""
    end = int(np.searchsorted(whole.unix_nano, unix_nano, side="right"))
    return Steps(whole.unix_nano[:end], whole.created[:end], whole.exited[:end], unix_nano)


def growths(whole: Steps, every_s: float, seconds: float) -> Iterator[tuple[float, Growth]]:
    """What is found of a site, and after how many seconds, when it is judged that often, at what was seen by then."""
    looks = np.concatenate([whole.seconds, np.arange(whole.seconds[-1], seconds, every_s)])
    last = 0.0
    for second in np.unique(looks):
        if second - last >= every_s and second >= min(WINDOWS):
            last = float(second)
            if found := find_growth(seen_until(whole, int(whole.unix_nano[0]) + round(second * SECOND))):
                yield last, found
