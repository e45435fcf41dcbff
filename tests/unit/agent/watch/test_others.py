"""Whose libraries are looked at, and when: soon at first, then ever more rarely, and never too many at once."""

import pytest
from gosonde_agent.golang.binary import FileIdentity
from gosonde_agent.watch import others
from gosonde_agent.watch.load import Load
from gosonde_agent.watch.others import FIRST_SECONDS, LONGEST_SECONDS, LOOKS, MAX_OTHERS, MOST_HELD_UP, Others

LIBRARY = FileIdentity(1, 2, 3, 4, 5)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(others, "time", clock)
    return clock


def test_a_process_is_looked_at_soon_and_then_ever_more_rarely(clock: Clock) -> None:
    found = Others()
    found.add((7, 0))
    assert found.next() is None
    pauses, last = [], clock.now
    while clock.now < 3_000:
        clock.now += 1
        if found.has_due:
            assert found.next() == (7, 0)
            pauses.append(clock.now - last)
            last = clock.now
    assert pauses[0] == FIRST_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_SECONDS


def test_many_processes_are_looked_at_a_few_in_a_second(clock: Clock) -> None:
    found = Others()
    for pid in range(MAX_OTHERS + 10):
        found.add((pid, 0))
    clock.now += FIRST_SECONDS
    first = [found.next() for _ in range(LOOKS + 1)]
    assert first == [*((pid, 0) for pid in range(LOOKS)), None]
    clock.now += 1
    assert found.next() == (LOOKS, 0)


def test_who_has_a_library_with_go_is_looked_at_no_more(clock: Clock) -> None:
    found = Others()
    found.add((7, 0))
    found.found((7, 0), LIBRARY)
    clock.now += LONGEST_SECONDS
    assert (found.has_due, found.library((7, 0)), found.library((7, 1))) == (False, LIBRARY, None)
    found.remove((7, 0))
    assert found.library((7, 0)) is None


def test_looks_that_are_held_up_keep_others_from_beginning_until_one_ends(clock: Clock) -> None:
    found = Others()
    held = [Load(pid, 0, LIBRARY, lambda _fd, _path, _pid: None, None, is_look=True) for pid in range(MOST_HELD_UP)]
    for look in held:
        found.hold_up(look)
    found.add((7, 0))
    clock.now += FIRST_SECONDS
    assert (found.has_due, found.next()) == (False, None)
    found.looked(held[0])
    assert (found.has_due, found.next()) == (True, (7, 0))
