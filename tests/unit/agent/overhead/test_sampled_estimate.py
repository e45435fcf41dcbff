"""Goroutines by statement, where windows see all for a short while, and one of 16 creations is counted all the time."""

from collections.abc import Callable

import numpy as np
import pytest
from gosonde_agent.overhead.site_estimate import Estimate, Known, SiteShares
from gosonde_agent.overhead.site_shares import SiteWindow
from numpy.typing import NDArray

MILLISECOND = 1_000_000
PER_MS, SECONDS, WINDOW_MS, PERIOD_MS = 25, 30, 20, 1_000
RUNS = 100
#: Of each statement, in RUNS.
LEAST_COVERAGE = 0.92
SHARES = [50, 30, 15, 5]
HUNDRED = np.repeat(np.arange(4, dtype=np.uint8), SHARES)
#: A pattern of which each 16th is of the first statement.
SIXTEEN = np.array([0, 1, 0, 2, 0, 1, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1], np.uint8)
BURST_MS = 80

#: Which statement each of so many goroutines is of, in order.
Program = Callable[[int, np.random.Generator], NDArray[np.uint8]]


def alternating(number: int, _: np.random.Generator) -> NDArray[np.uint8]:
    return np.resize(HUNDRED[np.arange(100) * 37 % 100], number)


def in_step(number: int, _: np.random.Generator) -> NDArray[np.uint8]:
    return np.resize(SIXTEEN, number)


def mixed(number: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    return HUNDRED[rng.integers(100, size=number, dtype=np.uint8)]


def bursting(number: int, rng: np.random.Generator, burst_ms: int = BURST_MS) -> NDArray[np.uint8]:
    """One statement at a time, for four times as long as a window."""
    length = PER_MS * burst_ms
    return np.repeat(mixed(number // length + 1, rng), length)[:number]


def bursts_in_step(number: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Bursts of two statements at a time, of which each 16th is of one of the two."""
    turns = bursting(number, rng)
    return np.where(np.arange(number) % 2 == 0, turns, (turns + 1) % 4).astype(np.uint8)


PROGRAMS: dict[str, Program] = {
    "alternating": alternating,
    "in step": in_step,
    "mixed": mixed,
    "bursting": bursting,
    "bursts in step": bursts_in_step,
}


def counts(order: NDArray[np.uint8]) -> dict[int, int]:
    found = np.bincount(order, minlength=4).tolist()
    return {place + 1: count for place, count in enumerate(found) if count}


def sampled(
    order: NDArray[np.uint8], rng: np.random.Generator, most: int
) -> tuple[dict[int, Estimate], NDArray[np.int64]]:
    """What is estimated of goroutines that end at once, and how many were created unseen; samples up to `most`."""
    shares = SiteShares()
    shares.follow(Known({}, 0), 0)
    first, begin, seen = int(rng.integers(16)), int(rng.uniform(0, PERIOD_MS)), np.zeros(4, np.int64)
    while (begin + WINDOW_MS) * PER_MS < len(order):
        at, end = begin * PER_MS, (begin + WINDOW_MS) * PER_MS
        found, picked = counts(order[at:end]), counts(order[at + (first - at) % 16 : end : 16])
        pairs = {pc: (count, count) for pc, count in found.items()}
        shares.add(SiteWindow((begin + WINDOW_MS) * MILLISECOND, WINDOW_MS * MILLISECOND, pairs, picked))
        seen += np.bincount(order[at:end], minlength=4)
        begin += WINDOW_MS + int(PERIOD_MS * rng.uniform(0.5, 1.5))
    certain = {place + 1: (count, count) for place, count in enumerate(seen.tolist())}
    nameless = np.bincount(order, minlength=4) - seen
    shares.follow(Known(certain, int(nameless.sum()), counts(order[first:most:16])), SECONDS * 1_000 * MILLISECOND)
    return shares.estimates(), nameless


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_true_number_lies_between_the_bounds_as_often_as_they_say(name: str) -> None:
    rng = np.random.default_rng(40)
    inside = np.zeros(4)
    for _ in range(RUNS):
        order = PROGRAMS[name](SECONDS * 1_000 * PER_MS, rng)
        found, nameless = sampled(order, rng, len(order))
        for place, true in enumerate(nameless.tolist()):
            estimate = found.get(place + 1)
            inside[place] += estimate is None or estimate.low <= true <= estimate.high
    assert (inside / RUNS >= LEAST_COVERAGE).all(), inside / RUNS


@pytest.mark.parametrize("name", ["alternating", "in step", "mixed", "bursting"])
def test_rates_of_all_sites_are_within_a_tenth_after_half_a_minute_and_the_bounds_say_so(name: str) -> None:
    rng = np.random.default_rng(41)
    errors, widths = [], []
    for _ in range(40):
        order = PROGRAMS[name](SECONDS * 1_000 * PER_MS, rng)
        found, nameless = sampled(order, rng, len(order))
        rows = [found[pc] for pc in range(1, 5)]
        errors.append([abs(row.number / true - 1) for row, true in zip(rows, nameless.tolist(), strict=True)])
        widths.append([(row.high - row.low) / 2 / row.number for row in rows])
    assert (np.quantile(errors, 0.95, axis=0) < 0.1).all()
    assert (np.median(widths, axis=0) < 0.1).all()


def test_where_samples_miss_a_part_of_the_time_the_bounds_are_as_much_wider() -> None:
    rng = np.random.default_rng(42)
    inside, runs = np.zeros(4), 40
    for _ in range(runs):
        order = bursting(SECONDS * 1_000 * PER_MS, rng)
        found, nameless = sampled(order, rng, len(order) * 3 // 4)
        for place, true in enumerate(nameless.tolist()):
            inside[place] += found[place + 1].low <= true <= found[place + 1].high
    assert (inside / runs >= LEAST_COVERAGE).all(), inside / runs


def test_a_statement_that_no_window_has_seen_is_told_by_its_samples() -> None:
    shares = SiteShares()
    shares.follow(Known({}, 0), 0)
    for number in range(8):
        pc = 1 + number % 2
        shares.add(SiteWindow((number + 1) * 1_000 * MILLISECOND, MILLISECOND, {pc: (160, 160)}, {pc: 10}))
    shares.follow(Known({}, 16_000, {1: 400, 2: 400, 3: 200}), 9_000 * MILLISECOND)
    found = shares.estimates()
    assert {pc: row.number for pc, row in found.items()} == {1: 6_400, 2: 6_400, 3: 3_200}


def test_samples_count_for_nothing_before_enough_windows_have_shown_how_far_they_are_right() -> None:
    shares = SiteShares()
    shares.follow(Known({}, 0), 0)
    for number in range(4):
        shares.add(SiteWindow((number + 1) * 1_000 * MILLISECOND, MILLISECOND, {1: (160, 160)}, {1: 10}))
    shares.follow(Known({}, 16_000, {1: 500, 2: 500}), 9_000 * MILLISECOND)
    assert shares.estimates()[1].number == 16_000
