"""Series of a site as an agent that reports every second makes them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from gosonde_collector.analysis.growth import Growth, find_growth
from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.model.values import Process
from gosonde_collector.store.records import Series

from tests.unit.collector.batches import SITE

START = 1_700_000_000 * SECOND


def steps(created: Sequence[int], exited: Sequence[int] | None = None, attached_late: bool = False) -> Steps:
    """Totals after each second; counting begins at zero, or, when attached late, in the middle of things."""
    births = np.array([0, *created], np.int64)
    deaths = np.array([0, *(exited if exited is not None else [0] * len(created))], np.int64)
    if attached_late:
        births, deaths = births[1:] - births[1], deaths[1:] - deaths[1]
    times = START + SECOND * np.arange(len(births), dtype=np.int64)
    return Steps(times, births, deaths, int(times[-1]))


def series_of(found: Steps, described: Process) -> Series:
    """The steps as the store gives them, of SITE."""
    nothing = np.zeros(len(found.created), np.int64)
    return Series(
        "web-1", described, SITE, found.unix_nano, found.created, found.exited, nothing, nothing, found.until_unix_nano
    )


def live(counts: Sequence[float], churn: int = 100) -> Steps:
    """A live count after each second, under a churn of so many goroutines a second."""
    created = np.maximum.accumulate(np.array([churn * second + counts[second] for second in range(len(counts))]))
    return steps([int(c) for c in created], [int(c - n) for c, n in zip(created, counts, strict=True)])


def verdicts(whole: Steps, every: int = 2) -> Iterator[Growth | None]:
    """What is found at each moment of the series, as an analysis that runs every so many seconds sees it."""
    ends = range(2, len(whole.unix_nano) + 1, every)
    return (find_growth(until(whole, end)) for end in ends)


def until(whole: Steps, end: int) -> Steps:
    """The first `end` steps."""
    return Steps(whole.unix_nano[:end], whole.created[:end], whole.exited[:end], int(whole.unix_nano[end - 1]))


def poisson_population(
    seed: int, seconds: int, size: int, lifetime_s: float, births: Callable[[int], float] | None = None
) -> tuple[list[int], list[int]]:
    """Totals of a population whose members arrive and leave by chance around `size`."""
    random = np.random.default_rng(seed)
    now, created, exited = size, [size], [0]
    for second in range(seconds):
        rate = births(second) if births else size / lifetime_s
        born = int(random.poisson(rate))
        gone = int(random.binomial(now, 1 - np.exp(-1 / lifetime_s)))
        now += born - gone
        created.append(created[-1] + born)
        exited.append(exited[-1] + gone)
    return created, exited
