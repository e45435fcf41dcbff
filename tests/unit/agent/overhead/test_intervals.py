"""Intervals of 95 %, against what is tabulated."""

import pytest
from gosonde_agent.overhead.intervals import Z, of_share, student


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (10, 2.228), (30, 2.042), (1_000_000, Z)])
def test_students_quantile_is_near_the_tabulated_one(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, rel=0.01)


def test_of_few_degrees_of_freedom_little_is_known() -> None:
    assert student(1) > 9 > student(2) > 4


def test_a_share_of_draws_lies_where_wilson_has_it() -> None:
    assert of_share(0.5, 100, Z) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_draws_that_were_all_the_same_leave_room_for_others() -> None:
    low, high = of_share(1.0, 20, Z)
    assert high == pytest.approx(1.0)
    assert 0.8 < low < 0.86
    assert of_share(0.0, 20, Z) == pytest.approx((0.0, 1 - low))
