"""Parks in all of the time, from what was counted in windows: how often the true number lies between the bounds."""

from collections.abc import Callable

import numpy as np
import pytest
from gosonde_agent.overhead.park_estimate import (
    COST_MARGIN,
    LEAST_WINDOWS,
    ParkEstimate,
    Window,
)
from numpy.typing import NDArray

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
WINDOW_MS, PERIOD_MS = 50, 2_000
RUNS = 200
#: 95 %, less two standard deviations of a share of RUNS.
LEAST_COVERAGE = 0.92
REASON = 14

Floats = NDArray[np.float64]
#: Parks per second at each millisecond.
Rate = Callable[[Floats, np.random.Generator], Floats]

RATES: dict[str, Rate] = {
    "steady": lambda t, _: np.full(t.shape, 1_000.0),
    "rare": lambda t, _: np.full(t.shape, 2.0),
    "very many": lambda t, _: np.full(t.shape, 100_000.0),
    "slow waves": lambda t, _: 1_000 * (1 + 0.8 * np.sin(t / 5_000)),
    "quick waves": lambda t, _: 1_000 * (1 + np.sin(t / 100)),
    "growing": lambda t, _: 10_000 * t / t.max(),
    "on and off": lambda t, _: 5_000.0 * (t // 100 % 5 == 0),
    "irregular": lambda t, rng: np.repeat(1_000 * np.exp(rng.normal(size=len(t) // 1_000)), 1_000),
}


def window(at_ms: int, count: int, *, ms: int = WINDOW_MS, room: float = 1.0, hit_ns: float = 0.0) -> Window:
    """One that begins at `at_ms`, with parks for one reason."""
    counts = {REASON: count} if count else {}
    return Window((at_ms + ms) * MILLISECOND, ms * MILLISECOND, 0, counts, room * ms * MILLISECOND, hit_ns)


def sampled(expected: Floats, rng: np.random.Generator) -> tuple[ParkEstimate, int]:
    """An estimate from windows on arrivals by chance, and how many there were in what it covers.

    `expected` says how many arrive on average in each millisecond.
    """
    estimate, begins = ParkEstimate(), [int(rng.uniform(0, PERIOD_MS))]
    while (begin := begins[-1] + int(PERIOD_MS * rng.uniform(0.75, 1.25))) + WINDOW_MS < len(expected):
        begins.append(begin)
    # Every window and every stretch between two of them; what comes after the last one is of no interest.
    borders = np.add.outer(begins, [0, WINDOW_MS]).ravel()
    arrivals = rng.poisson(np.add.reduceat(expected[: borders[-1]], borders[:-1]))
    for begin, count in zip(begins, arrivals[::2].tolist(), strict=True):
        estimate.add(window(begin, count))
    return estimate, int(arrivals.sum())


@pytest.mark.parametrize("seconds", [10, 60])
@pytest.mark.parametrize("name", RATES)
def test_the_true_number_lies_between_the_bounds_as_often_as_they_say(name: str, seconds: int) -> None:
    rng = np.random.default_rng(20)
    inside = outside = 0
    times = np.arange(seconds * 1_000, dtype=np.float64)
    for _ in range(RUNS):
        estimate, true = sampled(RATES[name](times, rng) / 1_000, rng)
        assert estimate.covered_ns <= seconds * SECOND
        if found := estimate.estimates().get(REASON):
            assert found.high is not None
            is_inside = found.low <= true <= found.high
            inside, outside = inside + is_inside, outside + (not is_inside)
    assert inside / (inside + outside) >= LEAST_COVERAGE


def test_the_error_becomes_smaller_with_more_windows() -> None:
    rng = np.random.default_rng(21)
    errors = []
    for seconds in (10, 100, 1_000):
        estimate, _ = sampled(np.ones(seconds * 1_000), rng)
        found = estimate.estimates()[REASON]
        assert found.high is not None
        errors.append((found.high - found.low) / found.parks)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05


def test_nothing_is_told_before_there_are_enough_windows() -> None:
    estimate = ParkEstimate()
    for number in range(LEAST_WINDOWS):
        assert estimate.estimates() == {}
        estimate.add(window(number * PERIOD_MS, 50))
    found = estimate.estimates()[REASON]
    assert (found.counted, found.parks) == (150, 4_050)
    assert (estimate.windows, estimate.sampled_ns, estimate.covered_ns) == (3, 150 * MILLISECOND, 4_050 * MILLISECOND)


def test_the_low_bound_is_never_below_what_was_counted() -> None:
    estimate = ParkEstimate()
    for at, count in ((0, 0), (60, 1_000), (120, 0), (180, 0)):
        estimate.add(window(at, count))
    found = estimate.estimates()[REASON]
    assert found.low == found.counted == 1_000


def test_parks_that_the_probe_slows_down_may_have_been_more() -> None:
    """Of 50 ms, hits took 10 ms, or more by the margin: without them there would have been as many more."""
    estimate, free = ParkEstimate(), ParkEstimate()
    for number in range(50):
        estimate.add(window(number * PERIOD_MS, 10_000, hit_ns=1_000))
        free.add(window(number * PERIOD_MS, 10_000))
    found, same = estimate.estimates()[REASON], free.estimates()[REASON]
    assert found.high is not None
    assert same.high is not None
    assert (found.parks, found.low) == (same.parks, same.low)
    assert found.high / same.high == pytest.approx(50 / (50 - 10 * COST_MARGIN), rel=1e-3)


def test_a_program_that_gets_little_of_a_core_loses_more_to_the_same_hits() -> None:
    half, whole = (window(0, 10_000, room=room, hit_ns=1_000).rates(REASON).most for room in (0.5, 1.0))
    assert half > whole


def test_there_is_no_upper_bound_once_hits_may_have_taken_all_of_the_time() -> None:
    estimate = ParkEstimate()
    for number in range(10):
        estimate.add(window(number * PERIOD_MS, 50_000 if number == 4 else 10, hit_ns=1_000))
    assert estimate.estimates()[REASON].high is None
    assert estimate.estimates()[REASON].low >= 50_090


def test_time_in_which_nothing_may_be_counted_is_not_covered() -> None:
    estimate = ParkEstimate()
    for number in range(3):
        estimate.add(window(number * PERIOD_MS, 50))
    before = estimate.estimates()[REASON].parks
    estimate.part()
    estimate.add(window(3_600_000, 50))
    assert estimate.estimates()[REASON].parks == before + 50
    assert estimate.covered_ns == (4_050 + 50) * MILLISECOND


def test_a_reason_that_only_a_window_without_neighbours_has_seen_is_as_uncertain_as_its_count() -> None:
    estimate = ParkEstimate()
    estimate.add(window(0, 4))
    estimate.part()
    for number in range(1, 3):
        estimate.add(window(number * PERIOD_MS, 0))
    found = estimate.estimates()[REASON]
    assert (found.counted, found.parks, found.low) == (4, 4, 4)
    assert found.high is not None
    assert found.high > 2 * found.parks


def test_a_reason_that_is_first_seen_late_had_no_parks_before() -> None:
    estimate = ParkEstimate()
    for number in range(3):
        estimate.add(window(number * PERIOD_MS, 0))
    estimate.add(window(3 * PERIOD_MS, 20))
    found = estimate.estimates()[REASON]
    assert (found.parks, found.low) == (20 + 390, 20)
