"""Growth is distinguished from everything that merely resembles it."""

import numpy as np
import pytest
from gosonde_collector.analysis.growth import find_growth
from gosonde_collector.analysis.shape import swings
from gosonde_collector.analysis.slope import theil_sen
from gosonde_collector.analysis.steps import SECOND
from gosonde_collector.analysis.window import PARTS

from tests.unit.collector.series import START, live, poisson_population, steps, until, verdicts


@pytest.mark.parametrize("rate", [10, 30, 100])
def test_a_steady_leak_is_found_within_50_seconds(rate: int) -> None:
    found = find_growth(steps([rate * second for second in range(1, 51)]))
    assert found
    assert found.slope.middle == pytest.approx(rate)
    assert found.exited == 0
    assert found.since_unix_nano <= START + SECOND


@pytest.mark.parametrize("every_s", [1, 5, 10, 60, 180])
def test_a_leak_is_found_within_a_minute_or_within_ten_of_its_events(every_s: int) -> None:
    found = find_growth(steps([second // every_s for second in range(1, max(60, 10 * every_s) + 1)]))
    assert found
    assert found.slope.middle == pytest.approx(1 / every_s, rel=0.3)
    assert found.slope.low <= found.slope.middle <= found.slope.high


def test_a_leak_in_steps_is_found_within_ten_of_them() -> None:
    found = find_growth(steps([20 * (second // 30) for second in range(1, 301)]))
    assert found
    assert found.shape == "steps"


def test_a_slow_leak_by_chance_is_found_within_twenty_of_its_events() -> None:
    for seed in range(20):
        times = np.cumsum(np.random.default_rng(seed).exponential(30, 20))
        counts = [int(np.searchsorted(times, second)) for second in range(1, int(times[-1]) + 1)]
        assert any(verdicts(steps(counts))), seed


@pytest.mark.parametrize("one_in", [10, 100, 1_000])
def test_a_go_statement_of_which_one_goroutine_in_many_stays_is_found(one_in: int) -> None:
    created = [1_000 * second for second in range(1, 61)]
    found = find_growth(steps(created, [n - n // one_in for n in created]))
    assert found
    assert found.shape == ("steady" if one_in == 1 else "some exit")
    assert found.slope.middle == pytest.approx(1_000 / one_in, rel=0.1)


@pytest.mark.parametrize("lifetime_s", [5, 20, 60, 200])
@pytest.mark.parametrize("per_second", [5, 50])
def test_a_population_that_finds_its_level_is_never_flagged(per_second: int, lifetime_s: float) -> None:
    for seed in range(4):
        created, exited = poisson_population(seed, 900, 0, lifetime_s, lambda _: per_second)
        assert not any(verdicts(steps(created, exited), every=5)), seed


@pytest.mark.parametrize("period_s", [60, 240])
def test_a_population_that_follows_the_load_is_never_flagged(period_s: int) -> None:
    created, exited = poisson_population(5, 900, 100, 2, lambda s: 50 + 40 * np.sin(2 * np.pi * s / period_s))
    assert not any(verdicts(steps(created, exited)))


def test_a_leak_beside_heavy_churn_is_found() -> None:
    random = np.random.default_rng(1)
    counts = [10 * second + int(random.integers(0, 20)) for second in range(60)]
    assert find_growth(live(counts, churn=10_000))


def test_the_rate_and_the_beginning_of_a_leak_that_starts_late_are_right() -> None:
    counts = [100] * 300 + [100 + 20 * second for second in range(1, 61)]
    found = find_growth(live(counts))
    assert found
    assert found.slope.middle == pytest.approx(20, rel=0.05)
    assert found.since_unix_nano == pytest.approx(START + 300 * SECOND, abs=3 * SECOND)


def test_a_leak_in_a_process_that_was_attached_late_is_found_although_older_goroutines_exit() -> None:
    created = [50 * second for second in range(1, 121)]
    exited = [min(30 * second, 900) for second in range(1, 121)]
    found = find_growth(steps(created, exited, attached_late=True))
    assert found
    assert found.slope.middle == pytest.approx(50, rel=0.3)


@pytest.mark.parametrize("up_s", [1, 3, 8])
def test_a_burst_that_drains_is_never_flagged(up_s: int) -> None:
    rise = [5_000 * second // up_s for second in range(1, up_s + 1)]
    fall = [max(5_000 - 250 * second, 0) for second in range(60)]
    assert not any(verdicts(live([0] * 30 + rise + fall + [0] * 30)))


@pytest.mark.parametrize("ramp_s", [1, 5, 8, 20, 35])
def test_a_warm_up_to_a_plateau_is_never_flagged(ramp_s: int) -> None:
    ramp = [1_000 * second // ramp_s for second in range(1, ramp_s + 1)]
    assert not any(verdicts(live(ramp + [1_000] * 600)))


def test_a_warm_up_that_levels_off_is_never_flagged() -> None:
    counts = [int(1_000 * (1 - np.exp(-second / 6))) for second in range(600)]
    assert not any(verdicts(live(counts)))


def test_a_plateau_is_no_longer_flagged_after_a_long_ramp() -> None:
    ramp = [10 * second for second in range(1, 61)]
    series = live(ramp + [600] * 100)
    assert find_growth(until(series, 55))
    assert not any(list(verdicts(series))[-20:])


def test_a_constant_pool_is_never_flagged() -> None:
    assert not any(verdicts(live([64] * 600, churn=5_000)))


@pytest.mark.parametrize("size", [5, 50, 1_000, 20_000])
@pytest.mark.parametrize("lifetime_s", [1, 10, 120, 1_200])
def test_a_population_that_comes_and_goes_by_chance_is_never_flagged(size: int, lifetime_s: float) -> None:
    created, exited = poisson_population(7, 900, size, lifetime_s)
    assert not any(verdicts(steps(created, exited)))


@pytest.mark.parametrize("size", [50, 1_000, 20_000])
@pytest.mark.parametrize("lifetime_s", [1, 10, 120])
def test_nor_is_it_when_the_process_was_attached_late(size: int, lifetime_s: float) -> None:
    created, exited = poisson_population(11, 900, size, lifetime_s)
    assert not any(verdicts(steps(created, exited, attached_late=True)))


def test_a_periodic_batch_is_not_flagged_again_after_its_first_rise() -> None:
    period = [20 * second for second in range(25)] + [500 - 20 * second for second in range(25)]
    found = list(verdicts(live(period * 20)))
    assert not any(found[len(period) // 2 :])


def test_two_points_are_not_growth() -> None:
    assert find_growth(steps([0] * 29 + [10_000])) is None


def test_nothing_is_said_of_a_window_longer_than_the_past() -> None:
    found = find_growth(steps([100 * second for second in range(1, 70)]))
    assert found
    assert found.window_s == 60


def test_theil_sen_is_not_moved_by_an_outlier() -> None:
    values = np.arange(PARTS + 1) * 5
    values[4] = 10_000
    assert theil_sen(np.arange(PARTS + 1), values).middle == 5


def test_growth_of_a_site_whose_exits_stopped_is_told_apart() -> None:
    created = [10 * second for second in range(1, 201)]
    found = find_growth(steps(created, [min(n, 1_000) for n in created]))
    assert found
    assert found.shape == "exits stopped"
    assert found.slope.middle == pytest.approx(10, rel=0.1)


def test_a_batch_that_comes_again_and_again_swings() -> None:
    assert swings(np.array([0, 50, 100, 100, 10, 0, 90, 0, 80, 70])) == 2
    assert swings(np.array([0, 50, 100, 60, 60])) == 0
