"""Estimates from samples hold what they promise, and are exact where nothing was left out."""

import numpy as np
import pytest
from gosonde_common.values.estimates import Estimate, estimate, surely_seen

TRIES = 4_000


@pytest.mark.parametrize(("everyone", "read"), [(5_000, 312), (100_000, 50_000), (1_000, 30)])
@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 0.97, 1.0])
def test_bounds_hold_in_nearly_all_samples(everyone: int, read: int, share: float) -> None:
    true = round(everyone * share)
    drawn = np.random.default_rng(7).hypergeometric(true, everyone - true, read, TRIES).tolist()
    found = [estimate(everyone, read, each) for each in drawn]
    inside = sum(one.least <= true <= one.most for one in found)
    assert inside >= 0.985 * TRIES
    assert all(0 <= one.least <= one.about <= one.most <= everyone for one in found)


def test_bounds_are_narrower_the_more_was_read() -> None:
    widths = [one.most - one.least for read in (100, 1_000, 5_000, 9_000) if (one := estimate(10_000, read, read // 4))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] / 10


def test_what_was_read_whole_is_exact_and_of_what_was_not_read_nothing_is_known() -> None:
    assert estimate(7, 7, 3) == Estimate(3, 3, 3)
    assert estimate(7, 7, 3).is_exact
    assert estimate(7, 0, 0) == Estimate(0, 0, 7)


def test_as_many_as_were_found_there_are_and_those_that_are_otherwise_are_not() -> None:
    for found in range(11):
        one = estimate(12, 10, found)
        assert found <= one.least
        assert one.most <= found + 2


def test_a_stack_that_is_surely_seen_is_missed_by_one_sample_in_a_hundred() -> None:
    assert surely_seen(1_000, 1_000) == 1
    many = surely_seen(160_000, 10_000)
    assert (15 / 16) ** many <= 0.01 < (15 / 16) ** (many - 1)
