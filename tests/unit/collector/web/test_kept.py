"""Whoever asks just after somebody else gets the same; it is made once."""

import pytest
from gosonde_collector.web.kept import Kept


class Maker:
    """Makes numbers from 1 on."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> int:
        self.made += 1
        return self.made


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_what_many_ask_for_at_the_same_time_is_made_once_and_not_kept_for_long() -> None:
    make, clock = Maker(), Clock()
    kept: Kept[int] = Kept(2.0, 8, clock)
    assert {kept.of("a", make) for _ in range(50)} == {1}
    assert kept.of("b", make) == 2
    clock.time += 2.0
    assert kept.of("a", make) == 3


def test_few_things_are_kept_and_the_oldest_goes_first() -> None:
    make = Maker()
    kept: Kept[int] = Kept(2.0, 8, Clock())
    assert [kept.of(number, make) for number in range(9)] == list(range(1, 10))
    assert kept.of(8, make) == 9
    assert kept.of(0, make) == 10


def test_what_cannot_be_made_is_tried_again_and_nothing_is_lost_for_it() -> None:
    def fail() -> int:
        raise LookupError

    make = Maker()
    kept: Kept[int] = Kept(2.0, 1, Clock())
    kept.of("a", make)
    for _ in range(2):
        with pytest.raises(LookupError):
            kept.of("b", fail)
    assert kept.of("a", make) == 1
