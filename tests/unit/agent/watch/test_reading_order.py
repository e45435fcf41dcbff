"""Memory of who grows is read first, however many processes there are, and everybody has a turn."""

import pytest
from gosonde_agent.watch.reading_order import (
    BELOW_FULL_SECONDS,
    LOOKS_UNTIL_KNOWN,
    LOUDEST,
    SUSPECTED,
    TURNS,
    Growth,
    ReadingOrder,
    periods,
)

SITE = 0x1000


def test_a_process_that_was_hardly_looked_at_is_suspected() -> None:
    growth = Growth()
    for _ in range(LOOKS_UNTIL_KNOWN):
        assert growth.suspicion == SUSPECTED
        growth.read({SITE: 5})
    assert growth.suspicion == 0


def test_a_process_whose_total_grows_is_suspected_before_it_is_read_again() -> None:
    growth = Growth()
    for _ in range(LOOKS_UNTIL_KNOWN):
        growth.read({SITE: 5})
    for look in range(SUSPECTED + 2):
        assert growth.suspicion == 0
        growth.look(20 + 10 * look)
    assert growth.suspicion == SUSPECTED


def test_goroutines_that_live_at_one_look_and_not_at_the_next_raise_no_suspicion() -> None:
    growth = Growth()
    for look in range(20):
        growth.look(5 if look % 2 else 100 + 10 * look)
    assert growth.suspicion == 0


def test_a_process_is_suspected_the_more_the_longer_it_grows_up_to_a_limit() -> None:
    growth = Growth()
    found = []
    for count in range(2 * LOUDEST):
        growth.read({SITE: count})
        found.append(growth.suspicion)
    assert found == sorted(found)
    assert found[-1] == LOUDEST


def test_readings_of_all_that_are_suspected_take_no_more_than_their_share() -> None:
    suspected = [(0.002, SUSPECTED)] * 20 + [(1.0, SUSPECTED), (0.002, LOUDEST)]
    found = periods(suspected, 0.003)
    assert sum(seconds / period for (seconds, _), period in zip(suspected, found, strict=True)) == pytest.approx(0.003)


def test_one_whose_readings_take_long_holds_up_none_but_itself() -> None:
    small, large = periods([(0.002, SUSPECTED), (1.0, SUSPECTED)], 0.003)
    assert small == BELOW_FULL_SECONDS
    assert 1.0 / large == pytest.approx(0.003 - 0.002 / small)


def test_those_whose_readings_take_nothing_keep_nothing_from_the_others() -> None:
    alone = periods([(0.01, SUSPECTED)], 0.003)
    assert periods([(0.0, LOUDEST)] * 50 + [(0.01, SUSPECTED)], 0.003)[-1:] == pytest.approx(alone)


def test_who_is_suspected_more_is_read_as_much_more_often() -> None:
    less, more = periods([(0.02, SUSPECTED), (0.02, LOUDEST)], 0.003)
    assert less / more == pytest.approx(LOUDEST / SUSPECTED)


def test_without_a_limit_and_with_none_that_is_reached_each_is_read_as_often_as_is_of_use() -> None:
    assert periods([(0.2, SUSPECTED)] * 3, float("inf")) == [BELOW_FULL_SECONDS] * 3
    assert periods([(0.001, SUSPECTED)] * 3, 0.003) == [BELOW_FULL_SECONDS] * 3
    assert periods([], 0.003) == []


def test_who_is_suspected_is_read_before_who_has_waited_for_longer() -> None:
    others = [((True, float(number)), f"other {number}") for number in range(72)]
    assert ReadingOrder().first([((True, 100.0), "grows")], others) == "grows"


def test_what_a_report_waits_for_is_read_before_what_is_suspected() -> None:
    assert ReadingOrder().first([((True, 1.0), "suspected"), ((False, 2.0), "stepped down")], []) == "stepped down"


def test_among_equals_the_one_that_has_waited_for_longest_is_first() -> None:
    assert ReadingOrder().first([((True, 2.0), "later"), ((True, 1.0), "sooner")], []) == "sooner"


def test_who_does_not_grow_has_one_turn_in_four_however_many_grow() -> None:
    order = ReadingOrder()
    chosen = [order.first([((True, 0.0), "grows")], [((True, 5.0), "other")]) for _ in range(3 * TURNS)]
    assert chosen.count("other") == 3


def test_nothing_is_read_when_nothing_is_due() -> None:
    assert ReadingOrder().first([], []) is None
