"""The agent does less when what it does takes more than it may."""

import gc
import weakref

import psutil
import pytest
from gosonde_agent.config import AgentConfig
from gosonde_agent.host.own_budget import (
    LEAST_LEFT,
    LONGEST_INTERVAL_SECONDS,
    LOOK_SECONDS,
    OwnBudget,
    collect_newest,
    let_go_of_code,
)

LIMIT = AgentConfig(max_agent_cpu=2.0, max_agent_memory_mb=64).own_budget


def test_an_observation_that_is_cheap_comes_at_each_interval() -> None:
    assert LIMIT.interval(1.0, 0.005, is_crowded=False) == 1.0


def test_an_observation_that_is_dear_comes_more_rarely() -> None:
    assert 0.050 / LIMIT.interval(1.0, 0.050, is_crowded=False) <= 0.01


def test_readings_take_their_part_and_first_ones_more() -> None:
    assert LIMIT.reading == pytest.approx(0.003)
    assert LIMIT.first_reading == pytest.approx(0.05)


def test_looks_that_are_cheap_come_every_two_seconds_and_dear_ones_take_their_part() -> None:
    assert LIMIT.pause_after_look(0.001) == LOOK_SECONDS
    for cpu_seconds in (0.1, 10.0):
        assert cpu_seconds / LIMIT.pause_after_look(cpu_seconds) <= 0.0011


class Entry:
    """Refers to itself, as entries of DWARF do to each other."""

    def __init__(self) -> None:
        self.itself = self


def test_what_refers_to_itself_and_was_made_a_moment_ago_can_be_freed_at_once() -> None:
    gc.disable()
    try:
        held = weakref.ref(Entry())
        assert held() is not None
        collect_newest()
        assert held() is None
    finally:
        gc.enable()


def test_more_than_may_be_resident_is_noticed() -> None:
    assert OwnBudget(0.02, 1).is_over_memory()
    assert not OwnBudget(0.02, 1 << 40).is_over_memory()


def test_code_that_was_run_once_does_not_stay_resident() -> None:
    before = resident_code()
    let_go_of_code()
    assert resident_code() < before / 2


def resident_code() -> int:
    """Bytes, of files."""
    maps = psutil.Process().memory_maps(grouped=False)
    return sum(one.rss for one in maps if one.perms == "r-xp" and one.path.startswith("/"))


def test_however_long_observations_take_figures_do_not_grow_old() -> None:
    for is_crowded in (True, False):
        assert LIMIT.interval(1.0, 100.0, is_crowded=is_crowded) == LONGEST_INTERVAL_SECONDS
        assert LIMIT.interval(60.0, 100.0, is_crowded=is_crowded) == 60.0, "what the operator asks for holds"


def test_where_what_cannot_wait_takes_the_limit_there_are_as_few_observations_as_there_may_be() -> None:
    assert LIMIT.interval(1.0, 0.005, is_crowded=True) == LONGEST_INTERVAL_SECONDS


def test_what_all_else_takes_is_taken_off_what_readings_and_observations_may_take() -> None:
    left = LIMIT.less(0.008)
    assert left.cpu == pytest.approx(0.012)
    assert left.interval(1.0, 0.050, is_crowded=False) > LIMIT.interval(1.0, 0.050, is_crowded=False)
    assert left.reading < LIMIT.reading


def test_readings_and_observations_keep_half_of_the_limit_whatever_else_takes() -> None:
    assert LIMIT.less(7.0).cpu == LIMIT.cpu * LEAST_LEFT
