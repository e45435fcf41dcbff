"""Waits and numbers of goroutines say how old each is at least, and whether they were born evenly."""

from gosonde_common.values.ages import Ages, AgesByGoid

SECOND = 1_000_000_000


def ages(waits: list[tuple[int, int]], goids: list[int], program_s: int = 1_000) -> Ages:
    return AgesByGoid([(goid, wait * SECOND) for goid, wait in waits], program_s * SECOND).of(goids)


def test_a_goroutine_is_at_least_as_old_as_one_that_was_made_after_it() -> None:
    found = AgesByGoid([(10, 5 * SECOND), (20, 90 * SECOND)], 1_000 * SECOND)
    assert found.at_least(10) == 90 * SECOND
    assert found.at_least(15) == 90 * SECOND
    assert found.at_least(21) is None


def test_no_goroutine_is_older_than_its_program() -> None:
    assert AgesByGoid([(10, 5_000 * SECOND)], 60 * SECOND).at_least(3) == 60 * SECOND


def test_ages_stand_in_bars_and_those_not_known_beside_them() -> None:
    found = ages([(1, 700), (2, 30), (3, 5)], [1, 2, 3, 4])
    assert [(bar.at_least_ns // SECOND, bar.goroutines) for bar in found.bars] == [(0, 1), (10, 1), (600, 1)]
    assert found.not_known == 1


def test_goroutines_born_at_a_steady_pace_are_even() -> None:
    goids = list(range(1, 41))
    assert ages([(goid, 1_000 - 25 * goid) for goid in goids], goids).even is True


def test_a_pool_that_was_made_at_the_start_is_not_even() -> None:
    goids = list(range(1, 41))
    assert ages([(goid, 999) for goid in goids], goids).even is False


def test_of_a_few_goroutines_it_is_not_said_whether_they_are_even() -> None:
    assert ages([(goid, 50 * goid) for goid in range(19)], list(range(19))).even is None
