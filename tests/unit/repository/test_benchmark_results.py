"""How benchmarks say that costs grow, and why there are no pictures."""

import sys

import pytest

from benchmarks.results import Row, growth, pictures


def grown(costs: dict[int, float]) -> list[str]:
    return growth(Row("reading", "headers", "ms", (cost,), work, "goroutines") for work, cost in costs.items())


@pytest.mark.parametrize(
    ("costs", "law"),
    [
        ({1: 102, 10: 120, 100: 300}, "100 +2 x (goroutines) ms"),
        ({1: 30, 2: 20, 3: 10}, "40 -10 x (goroutines) ms"),
        ({1: 3, 4: 6, 16: 12, 64: 24}, "3 ms x (goroutines) ^ 0.50"),
        ({10: 200, 100: 20_000, 1_000: 2_000_000}, "2 ms x (goroutines) ^ 2.00"),
    ],
)
def test_growth_is_told_by_the_law_that_fits_better(costs: dict[int, float], law: str) -> None:
    assert grown(costs) == [f"reading, headers: {law}"]


def test_no_law_is_told_of_two_points_or_of_a_cost_of_nothing() -> None:
    assert grown({1: 1, 2: 2}) == grown({1: 0, 2: 2, 3: 3}) == []


def test_without_what_draws_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = pictures([Row("start", "gosonde trace", "s", (1.0,))])
    assert said == "without pictures: the Python module matplotlib is missing: pip install 'gosonde[bench]'"
