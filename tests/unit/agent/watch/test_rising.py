"""Growth is told from chance by how often in a row a count is higher than ever before."""

import random

import pytest
from gosonde_agent.watch.rising import FORGETTING, LASTING_SECONDS, MAX_COUNTS, Rising

SITE, OTHER = 0x1000, 0x2000


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_grows_rises_once_more_with_each_look(clock: Clock) -> None:
    rising = Rising(clock)
    streaks = []
    for look in range(6):
        clock.seconds += 2.0
        rising.take({SITE: 10 + look, OTHER: 1_000 - 100 * look})
        streaks.append(rising.streak)
    assert streaks == [0, 1, 2, 3, 4, 5]


def test_a_site_that_is_new_rises_and_one_of_the_first_look_does_not(clock: Clock) -> None:
    rising = Rising(clock)
    rising.take({SITE: 10})
    assert rising.streak == 0
    rising.take({SITE: 10, OTHER: 1})
    assert rising.streak == 1


def test_a_count_that_comes_and_goes_is_rarely_taken_to_rise(clock: Clock) -> None:
    chance, rising, taken = random.Random(1), Rising(clock), 0
    for _ in range(2_000):
        clock.seconds += 2.0
        rising.take({SITE: chance.randrange(1_000)})
        taken += rising.streak > 1
    assert taken < 100


def test_a_leak_beside_exits_is_taken_to_rise_most_of_the_time(clock: Clock) -> None:
    chance, rising, taken = random.Random(1), Rising(clock), 0
    for look in range(200):
        clock.seconds += 2.0
        rising.take({SITE: 10 * look + chance.randrange(20)})
        taken += rising.streak > 1
    assert taken > 100


def test_what_stands_still_after_it_rose_rises_for_a_while(clock: Clock) -> None:
    rising = Rising(clock)
    for count in (1, 2, 3):
        rising.take({SITE: count})
    clock.seconds += LASTING_SECONDS - 1
    rising.take({SITE: 3})
    assert rising.streak == 2
    clock.seconds += 1
    assert rising.streak == 0


def test_a_burst_hides_growth_for_a_while_only(clock: Clock) -> None:
    rising = Rising(clock)
    rising.take({SITE: 1})
    rising.take({SITE: 1_000})
    looks = 0
    while rising.streak < 2:
        clock.seconds += LASTING_SECONDS
        looks += 1
        rising.take({SITE: 10 * looks})
    assert looks < 4 * FORGETTING


def test_what_is_gone_is_forgotten_so_made_up_sites_take_no_room_without_end(clock: Clock) -> None:
    rising = Rising(clock)
    for _ in range(3):
        rising.take(dict.fromkeys(range(1, 2 * MAX_COUNTS), 1))
    rising.take({MAX_COUNTS + 1: 2})
    assert rising.streak == 0
    for _ in range(2 * FORGETTING):
        rising.take({})
    rising.take({MAX_COUNTS + 1: 2})
    assert rising.streak == 1
