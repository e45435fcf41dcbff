"""Memory of who grows is read first, however many processes there are, and everybody has a turn."""

import itertools

import pytest
from gosonde_agent.watch.reading_order import (
    GROWTH_SECONDS,
    MAX_SITES,
    READINGS_UNTIL_KNOWN,
    TURNS,
    Peaks,
    ReadingOrder,
)

SITE, OTHER = 0x1000, 0x2000


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_process_whose_site_has_more_and_more_goroutines_grows(clock: Clock) -> None:
    peaks = Peaks(clock)
    for count in range(1, 20):
        clock.seconds += GROWTH_SECONDS / 2
        peaks.take({SITE: count, OTHER: 3})
        assert peaks.may_grow


def test_a_process_that_comes_and_goes_below_its_peak_does_not_grow_after_a_while(clock: Clock) -> None:
    peaks = Peaks(clock)
    for count in itertools.islice(itertools.cycle((40, 0, 17)), READINGS_UNTIL_KNOWN):
        peaks.take({SITE: count})
    clock.seconds += GROWTH_SECONDS
    peaks.take({SITE: 40})
    assert not peaks.may_grow


def test_a_site_that_grows_shows_beside_one_that_falls(clock: Clock) -> None:
    peaks = Peaks(clock)
    for round_ in range(READINGS_UNTIL_KNOWN + 1):
        clock.seconds += GROWTH_SECONDS
        peaks.take({SITE: 10 + round_, OTHER: 1_000 - 100 * round_})
    assert peaks.may_grow


def test_a_process_that_was_hardly_read_is_taken_to_grow(clock: Clock) -> None:
    peaks = Peaks(clock)
    clock.seconds += 10 * GROWTH_SECONDS
    assert peaks.may_grow
    peaks.take({SITE: 1})
    clock.seconds += 10 * GROWTH_SECONDS
    assert peaks.may_grow


def test_made_up_sites_take_up_no_room_without_end(clock: Clock) -> None:
    peaks = Peaks(clock)
    for _ in range(READINGS_UNTIL_KNOWN):
        peaks.take(dict.fromkeys(range(MAX_SITES), 1))
    clock.seconds += GROWTH_SECONDS
    peaks.take(dict.fromkeys(range(MAX_SITES, 2 * MAX_SITES), 1))
    assert not peaks.may_grow
    peaks.take({0: 2})
    assert peaks.may_grow


def test_who_grows_is_read_before_who_has_waited_for_longer() -> None:
    order = ReadingOrder()
    others = [(float(number), f"other {number}") for number in range(72)]
    assert order.first([(100.0, "grows")], others) == "grows"


def test_of_those_that_grow_the_one_that_has_waited_for_longest_is_first() -> None:
    assert ReadingOrder().first([(2.0, "later"), (1.0, "sooner")], []) == "sooner"


def test_who_does_not_grow_has_one_turn_in_four_however_many_grow() -> None:
    order = ReadingOrder()
    chosen = [order.first([(0.0, "grows")], [(5.0, "other")]) for _ in range(3 * TURNS)]
    assert chosen.count("other") == 3


def test_nothing_is_read_when_nothing_is_due() -> None:
    assert ReadingOrder().first([], []) is None
