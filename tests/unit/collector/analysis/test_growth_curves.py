"""The rule over synthetic series of every kind: benchmarks/growth_curves.py prints how soon and how often."""

from collections.abc import Callable

import numpy as np
import pytest
from gosonde_collector.analysis.finding import RISING, judge
from gosonde_collector.analysis.growth import Growth, find_growth
from gosonde_collector.analysis.steps import Steps
from gosonde_collector.analysis.witnesses import AGREES, NOT_KNOWN, Witness, events
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.collector import synthetic
from tests.unit.collector.batches import process
from tests.unit.collector.series import series_of, steps, until
from tests.unit.collector.synthetic import Lives

RUNS = 10
INTERVALS = st.floats(1, 20)
#: Of waves that are seen more rarely, one in a hundred passes for growth for some seconds while it rises.
WAVES_SEEN_EVERY_S = 8.0
SEEDS = st.integers(0, 2**32 - 1)
HEALTHY_S = 600.0
COUNTED = (Witness("memory", AGREES, ""), Witness("pprof", AGREES, ""), Witness("gctrace", AGREES, ""))
PROVED = Witness("pprof", AGREES, "", strong=True)


def found_at(seen: Steps, seconds: float) -> float:
    """After how many seconds; infinite when it is not found."""
    return next((second for second, _ in synthetic.growths(seen, 1.0, seconds)), float("inf"))


def leak_found_at(seed: int, rate: float, share: float, interval: float, seconds: float) -> float:
    random = np.random.default_rng([seed, round(1_000 * share), round(interval)])
    seen = synthetic.observed(random, synthetic.leak(random, rate, share, seconds), interval, seconds)
    return found_at(seen, seconds)


def test_a_leak_of_which_1150_were_created_and_32_exited_is_found_within_a_minute() -> None:
    created = [int(9.5 * second) for second in range(1, 122)]
    exited = [int(32 * second / 121) for second in range(1, 122)]
    whole = steps(created, exited)
    assert (created[-1], exited[-1]) == (1_149, 32)
    assert any(find_growth(until(whole, end)) for end in range(46, 62))


@pytest.mark.parametrize("share", [0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7])
def test_a_leak_of_ten_a_second_is_found_within_a_minute_whatever_share_exits(share: float) -> None:
    times = [leak_found_at(seed, 10, share, interval, 150) for seed in range(RUNS) for interval in (1, 2, 5, 10)]
    assert np.mean(np.array(times) <= 60) >= 0.9
    assert max(times) <= 120


@pytest.mark.parametrize("interval", [8, 12, 16])
def test_a_leak_is_found_when_a_busy_host_is_looked_at_rarely(interval: float) -> None:
    assert max(leak_found_at(seed, 10, 0, interval, 150) for seed in range(RUNS)) <= 60 + 3 * interval


@given(SEEDS, st.floats(-1, 3), st.floats(0, 0.7), INTERVALS)
@settings(max_examples=60, derandomize=True, deadline=None)
def test_a_leak_of_any_rate_is_found_before_long(seed: int, magnitude: float, share: float, interval: float) -> None:
    rate = 10**magnitude
    seconds = max(240.0, 100 / rate / (1 - share))
    assert leak_found_at(seed, rate, share, interval, seconds) < seconds


def quiet_kinds() -> dict[str, Callable[[np.random.Generator], Lives]]:
    """Healthy sites that are never to be taken for leaks, each with numbers by chance."""

    def level(random: np.random.Generator) -> Lives:
        lifetime_s, size = 10 ** random.uniform(0, 2), int(10 ** random.uniform(1, 3.5))
        return synthetic.population(random, size / lifetime_s, lifetime_s, HEALTHY_S, size)

    def wave(random: np.random.Generator) -> Lives:
        rate, period_s = 10 ** random.uniform(0, 2.5), random.uniform(60, 900)
        return synthetic.population(random, lambda t: rate * (1 - 0.9 * np.cos(2 * np.pi * t / period_s)), 2, HEALTHY_S)

    def plateau(random: np.random.Generator) -> Lives:
        return synthetic.ramp(10 ** random.uniform(0, 3), random.uniform(1, 25))

    def batch(random: np.random.Generator) -> Lives:
        rise_s = random.uniform(3, 20)
        return synthetic.batches(random, int(random.integers(5, 500)), 6 * rise_s, rise_s, HEALTHY_S)

    return {"level": level, "wave": wave, "plateau": plateau, "batch": batch}


@pytest.mark.parametrize("kind", sorted(quiet_kinds()))
@given(SEEDS, INTERVALS)
@settings(max_examples=25, derandomize=True, deadline=None)
def test_what_is_level_comes_in_waves_or_batches_or_is_soon_there_is_not_flagged(
    kind: str, seed: int, interval: float
) -> None:
    random = np.random.default_rng(seed)
    if kind == "wave":
        interval = min(interval, WAVES_SEEN_EVERY_S)
    seen = synthetic.observed(random, quiet_kinds()[kind](random), interval, HEALTHY_S)
    assert not list(synthetic.growths(seen, 5.0, HEALTHY_S))


def ramps(rate: float, interval: float, seed: int) -> list[Growth]:
    """What is found while clients arrive for five minutes, and afterwards."""
    random = np.random.default_rng(seed)
    seen = synthetic.observed(random, synthetic.ramp(rate, 300), interval, HEALTHY_S)
    return [found for _, found in synthetic.growths(seen, 5.0, HEALTHY_S)]


@given(SEEDS, st.floats(-1, 3), INTERVALS)
@settings(max_examples=30, derandomize=True, deadline=None)
def test_clients_that_arrive_for_five_minutes_are_not_known_to_stay(
    seed: int, magnitude: float, interval: float
) -> None:
    assert all(judge(found, COUNTED) <= RISING for found in ramps(10**magnitude, interval, seed))


def test_what_rises_says_that_it_is_too_early_to_know_whether_it_stays() -> None:
    whole = steps([10 * second for second in range(1, 500)])
    for seconds, known in ((100, False), (299, False), (450, True)):
        found = find_growth(until(whole, seconds))
        assert found
        detail = events(series_of(until(whole, seconds), process()), found).detail
        assert (NOT_KNOWN not in detail, judge(found, ()) > RISING) == (known, known)


def test_the_proof_of_the_runtime_needs_no_five_minutes() -> None:
    found = find_growth(steps([10 * second for second in range(1, 61)]))
    assert found
    assert judge(found, COUNTED) == RISING < judge(found, (PROVED,))


def test_a_population_whose_members_live_for_minutes_is_never_known_to_stay() -> None:
    for lifetime_s in (100, 200, 400):
        random = np.random.default_rng(lifetime_s)
        seen = synthetic.observed(random, synthetic.population(random, 20, lifetime_s, 900), 2, 900)
        assert not any(found.stays for _, found in synthetic.growths(seen, 5.0, 900))
