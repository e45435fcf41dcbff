"""Sessions end by themselves, and there is room for so many."""

from gosonde_collector.web import sessions
from gosonde_collector.web.sessions import IDLE_S, LONGEST_S, MOST_SESSIONS, Sessions


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_that_is_not_used_ends() -> None:
    clock = Clock()
    known = Sessions(clock)
    number = known.begin("digest")
    clock.now += IDLE_S
    assert known.digest(number) == "digest"
    clock.now += IDLE_S + 1
    assert known.digest(number) == ""


def test_a_session_ends_some_day_however_much_it_is_used() -> None:
    clock = Clock()
    known = Sessions(clock)
    number, began = known.begin("digest"), clock.now
    while clock.now - began <= LONGEST_S - IDLE_S:
        clock.now += IDLE_S
        assert known.digest(number) == "digest"
    clock.now = began + LONGEST_S + 1
    assert known.digest(number) == ""


def test_the_session_that_rested_longest_makes_room() -> None:
    known = Sessions()
    first, second = known.begin("first"), known.begin("second")
    assert known.digest(first) == "first"
    for _ in range(MOST_SESSIONS - 1):
        known.begin("another")
    assert known.digest(second) == ""
    assert known.digest(first) == "first"


def test_numbers_cannot_be_guessed() -> None:
    known = Sessions()
    assert len({known.begin("digest") for _ in range(100)}) == 100
    assert known.digest("") == ""
    assert sessions.MOST_SESSIONS <= 10_000
