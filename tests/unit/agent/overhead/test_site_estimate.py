"""Goroutines by statement, from what was counted in windows: how often the true number lies between the bounds."""

from collections.abc import Callable

import numpy as np
import pytest
from gosonde_agent.overhead.site_estimate import (
    LEAST_WINDOWS,
    MOST_WINDOWS,
    Estimate,
    Known,
    SiteShares,
)
from gosonde_agent.overhead.site_shares import SiteWindow
from gosonde_agent.sources.counters import UNATTRIBUTED
from numpy.typing import NDArray

MILLISECOND = 1_000_000
WINDOW_MS, PERIOD_MS = 20, 1_000
SECONDS = 30
RUNS = 200
#: 95 %, less two standard deviations of a share of RUNS.
LEAST_COVERAGE = 0.92
#: Of 100 goroutines that begin in a millisecond.
SHARES = np.array([0.5, 0.3, 0.15, 0.05])
NOTHING_KNOWN = Known({}, 0)

Counts = NDArray[np.int64]
#: How many goroutines each of four statements starts in each millisecond: [milliseconds, 4].
Program = Callable[[int, np.random.Generator], Counts]


def alternating(milliseconds: int, _: np.random.Generator) -> Counts:
    """Always in the same order, a hundred a millisecond."""
    return np.tile(np.round(SHARES * 100).astype(np.int64), (milliseconds, 1))


def mixed(milliseconds: int, rng: np.random.Generator) -> Counts:
    return rng.multinomial(100, SHARES, size=milliseconds)


def bursting(milliseconds: int, rng: np.random.Generator) -> Counts:
    """20 ms of one statement at a time."""
    turns = rng.choice(4, p=SHARES, size=milliseconds // 20 + 1)
    return np.eye(4, dtype=np.int64)[np.repeat(turns, 20)[:milliseconds]] * 100


def waves(milliseconds: int, rng: np.random.Generator) -> Counts:
    """The shares change slowly, and so does the rate."""
    times = np.arange(milliseconds)[:, None] / 7_000 + np.arange(4) * np.pi / 2
    return rng.poisson(100 * SHARES * (1 + 0.8 * np.sin(times)))


def rare(milliseconds: int, rng: np.random.Generator) -> Counts:
    """Few goroutines, so that chance alone makes windows differ."""
    return rng.poisson(0.4 * SHARES, size=(milliseconds, 4))


PROGRAMS: dict[str, Program] = {
    "alternating": alternating,
    "mixed": mixed,
    "bursting": bursting,
    "waves": waves,
    "rare": rare,
}


def window(end_ms: int, counts: dict[int, tuple[int, int]], *, ms: int = WINDOW_MS) -> SiteWindow:
    return SiteWindow(end_ms * MILLISECOND, ms * MILLISECOND, counts)


def sampled(created: Counts, rng: np.random.Generator, period_ms: int = PERIOD_MS) -> tuple[SiteShares, Counts]:
    """Windows at random moments on a program whose goroutines end at once; also what was counted of each statement."""
    shares = SiteShares()
    shares.follow(NOTHING_KNOWN, 0)
    begin, certain = int(rng.uniform(0, period_ms)), np.zeros(4, np.int64)
    while begin + WINDOW_MS < len(created):
        seen = created[begin : begin + WINDOW_MS].sum(axis=0)
        counts = {pc: (count, count) for pc, count in enumerate(seen.tolist(), start=1) if count}
        shares.add(window(begin + WINDOW_MS, counts))
        certain += seen
        begin += WINDOW_MS + int(period_ms * rng.uniform(0.5, 1.5))
    sites = {pc: (count, count) for pc, count in enumerate(certain.tolist(), start=1)}
    shares.follow(Known(sites, int(created.sum() - certain.sum())), len(created) * MILLISECOND)
    return shares, certain


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_true_number_lies_between_the_bounds_as_often_as_they_say(name: str) -> None:
    rng = np.random.default_rng(30)
    inside = np.zeros(4)
    for _ in range(RUNS):
        created = PROGRAMS[name](SECONDS * 1_000, rng)
        shares, certain = sampled(created, rng)
        found = shares.estimates()
        for place, true in enumerate((created.sum(axis=0) - certain).tolist()):
            # A statement that no window has seen is not told; that it is missing is no bound.
            estimate = found.get(place + 1)
            inside[place] += estimate is None or estimate.low <= true <= estimate.high
    assert (inside / RUNS >= LEAST_COVERAGE).all(), inside / RUNS


@pytest.mark.parametrize("name", ["alternating", "mixed"])
def test_rates_of_all_sites_are_within_a_tenth_after_half_a_minute(name: str) -> None:
    rng = np.random.default_rng(31)
    errors = []
    for _ in range(40):
        created = PROGRAMS[name](SECONDS * 1_000, rng)
        shares, certain = sampled(created, rng)
        found = shares.estimates()
        whole = np.array([found[pc].number for pc in range(1, 5)]) + certain
        errors.append(np.abs(whole / created.sum(axis=0) - 1).max())
    assert np.quantile(errors, 0.95) < 0.1


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_sites_add_up_to_all_that_is_nameless(name: str) -> None:
    rng = np.random.default_rng(32)
    created = PROGRAMS[name](SECONDS * 1_000, rng)
    shares, certain = sampled(created, rng)
    assert sum(found.number for found in shares.estimates().values()) == created.sum() - certain.sum()
    assert all(found.low <= found.number <= found.high for found in shares.estimates().values())


def test_nothing_is_told_before_there_are_enough_windows() -> None:
    shares = SiteShares()
    shares.follow(NOTHING_KNOWN, 0)
    for number in range(LEAST_WINDOWS):
        shares.follow(Known({7: (5 * number, 5 * number)}, 1_000 * number), 0)
        assert shares.estimates() == {}
        shares.add(window(1_000 * (number + 1), {7: (5, 5)}))
    assert shares.estimates()[7].number == 2_000
    assert (shares.windows, shares.sampled_ns) == (3, 60 * MILLISECOND)


def test_where_all_windows_show_one_statement_alone_others_may_be_as_many_as_windows_could_have_missed() -> None:
    lows = []
    for count in (5, 20, 100):
        shares = SiteShares()
        shares.follow(NOTHING_KNOWN, 0)
        for number in range(count):
            shares.add(window(1_000 * (number + 1), {7: (5_000, 5_000)}))
        shares.follow(Known({}, 1_000_000), 0)
        found = shares.estimates()[7]
        assert (found.number, found.high) == (1_000_000, 1_000_000)
        lows.append(found.low)
    assert lows == sorted(lows)
    assert lows[0] < 600_000
    assert lows[-1] < 970_000


def test_what_memory_has_shown_of_a_site_is_not_given_to_it_again() -> None:
    """A statement leaks, another starts as many that end: memory shows all of the first, and the rest is not its."""
    shares = SiteShares()
    shares.follow(NOTHING_KNOWN, 0)
    for number in range(10):
        shares.add(window(1_000 * (number + 1), {1: (20, 0), 2: (20, 20)}))
    shares.follow(Known({1: (10_000, 0), 2: (200, 200)}, 9_800), 0)
    found = shares.estimates()
    assert (found[1].number, found[2].number) == (0, 9_800)
    assert found[1].low == 0


def test_time_at_other_levels_is_not_covered_and_what_was_found_stays() -> None:
    shares = SiteShares()
    shares.follow(NOTHING_KNOWN, 0)
    for number in range(5):
        shares.add(window(1_000 * (number + 1), {1: (20, 20)}))
    shares.follow(Known({1: (100, 100)}, 900), 0)
    shares.part()
    before = shares.estimates()
    assert before[1].number == 900
    shares.add(window(6_000, {2: (50, 50)}))
    shares.follow(Known({1: (100, 100)}, 50_000), 7_000 * MILLISECOND)
    assert shares.estimates() == before
    for number in range(5):
        shares.add(window(8_000 + 1_000 * number, {2: (20, 20)}))
    shares.follow(Known({1: (100, 100), 2: (100, 100)}, 51_000), 13_000 * MILLISECOND)
    found = shares.estimates()
    assert (found[1].number, found[2].number) == (900, 1_000)


def test_shares_follow_a_program_that_changes_what_it_does() -> None:
    shares, nameless = SiteShares(), 0
    shares.follow(NOTHING_KNOWN, 0)
    for number in range(4 * MOST_WINDOWS):
        pc = 1 if number < 2 * MOST_WINDOWS else 2
        shares.add(window(1_000 * (number + 1), {pc: (20, 20)}))
        nameless += 1_000
        shares.follow(Known({}, nameless), 1_000 * (number + 1) * MILLISECOND)
    found = shares.estimates()
    assert (found[1].number, found[2].number) == (nameless // 2, nameless // 2)
    assert found[1].low > 0.9 * found[1].number


def test_windows_in_which_nothing_happened_tell_nothing_of_nobody() -> None:
    shares = SiteShares()
    shares.follow(NOTHING_KNOWN, 0)
    for number in range(5):
        shares.add(window(1_000 * (number + 1), {}))
    shares.follow(Known({}, 10), 0)
    assert shares.estimates() == {}


def test_what_was_counted_at_no_statement_stays_nameless() -> None:
    shares = SiteShares()
    shares.follow(NOTHING_KNOWN, 0)
    for number in range(5):
        shares.add(window(1_000 * (number + 1), {1: (30, 30), UNATTRIBUTED: (10, 10)}))
    shares.follow(Known({}, 1_000), 0)
    found = shares.estimates()
    assert found.keys() == {1}
    assert found[1].number == 750
    assert isinstance(found[1], Estimate)
