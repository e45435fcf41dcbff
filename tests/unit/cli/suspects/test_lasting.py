"""For how long goroutines must become more until that is called a leak."""

import pytest
from gosonde_agent.sources.memory.population import Fate
from gosonde_cli.suspects.lasting import Rise

IDLE, IN_USE, COMING_AND_GOING = Fate(100, 100, 0), Fate(100, 100, 100), Fate(100, 80, 0)


def rise(
    seconds: float, fate: Fate | None = IDLE, *, age_s: float | None = None, live: int = 200, is_steady: bool = True
) -> Rise:
    return Rise(200, seconds, is_steady, live, seconds if age_s is None else age_s, fate)


@pytest.mark.parametrize(("fate", "needed"), [(IDLE, 60), (IN_USE, 300), (None, 300)])
def test_goroutines_in_use_must_become_more_for_longer(fate: Fate | None, needed: float) -> None:
    assert rise(10, fate).needed_s == needed


def test_ten_seconds_after_the_start_nothing_is_called_a_leak_because_it_rises() -> None:
    assert not rise(10).is_leak


def test_a_rise_that_was_watched_for_long_enough_is_a_leak() -> None:
    assert rise(60).is_leak
    assert not rise(60, IN_USE).is_leak
    assert rise(300, IN_USE).is_leak


def test_ten_seconds_tell_where_all_goroutines_came_at_the_same_rate_since_the_process_began() -> None:
    assert rise(10, age_s=100, live=2_000).is_leak
    assert rise(10, age_s=100, live=1_200).is_leak


def test_a_new_rise_in_an_old_process_is_not_taken_for_one_of_all_its_life() -> None:
    assert not rise(10, age_s=100, live=300).is_leak


def test_a_new_rise_beside_many_that_were_always_there_is_not_taken_for_one_either() -> None:
    assert not rise(10, age_s=100, live=20_000).is_leak


def test_goroutines_that_end_after_a_while_are_no_leak_however_long_they_become_more() -> None:
    assert not rise(1_000, COMING_AND_GOING).is_leak


def test_a_rise_that_slows_down_is_no_leak_yet() -> None:
    assert not rise(1_000, is_steady=False).is_leak


def test_without_memory_counts_alone_name_nothing() -> None:
    assert not rise(1_000, None).is_leak
    assert not rise(1_000, Fate(2, 2, 0)).is_leak
