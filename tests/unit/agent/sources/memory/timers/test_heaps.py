"""Of a heap of timers those count that are pending and say that they are in it, whatever else it claims to have."""

from collections.abc import Iterator

import numpy as np
import pytest
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.timers.grouping import next_in_ns
from gosonde_agent.sources.memory.timers.heaps import RUN, Timers, read_heaps
from gosonde_agent.sources.memory.timers.layout import (
    EARLIER,
    HEAPED,
    LATER,
    MODIFYING,
    MOVING,
    RUNNING,
    WAITING,
    ZOMBIE,
)

from tests.unit.agent.sources.memory.timers.made_up import FUTURE, NOWHERE, MadeUp

OLD, NEW = "1.22.10", "1.27.3"
MOST = 1_000
#: timerDeleted, timerRemoving and timerRemoved.
DELETED = (3, 4, 5)


@pytest.fixture(params=[OLD, "1.19.8", "1.23.1", NEW])
def made(request: pytest.FixtureRequest) -> Iterator[MadeUp]:
    with MadeUp(request.param) as made:
        yield made


@pytest.fixture
def old() -> Iterator[MadeUp]:
    with MadeUp(OLD) as made:
        yield made


@pytest.fixture
def new() -> Iterator[MadeUp]:
    with MadeUp(NEW) as made:
        yield made


def read(made: MadeUp, most: int = MOST) -> list[int]:
    timers, changing, _ = read_heaps(made.runtime(), made.at, most)
    assert changing == 0
    return sorted(timers.at.tolist())


def test_a_p_without_timers_has_none(made: MadeUp) -> None:
    assert read(made) == []


def test_each_timer_of_a_heap_is_read_once(made: MadeUp) -> None:
    timers = [made.timer(WAITING, FUTURE + number) for number in range(100)]
    made.heap([*timers, timers[0]])
    assert read(made) == sorted(timers)


def test_before_go_1_23_timers_count_in_every_state_but_those_of_deleted_ones(old: MadeUp) -> None:
    pending = [old.timer(state) for state in (WAITING, RUNNING, MODIFYING, MOVING)]
    pending += [old.timer(state, 1, moved=FUTURE) for state in (EARLIER, LATER)]
    old.heap([*pending, *(old.timer(state) for state in (0, *DELETED, 10, 255))])
    timers, _, _ = read_heaps(old.runtime(), old.at, MOST)
    assert sorted(timers.at.tolist()) == sorted(pending)
    assert set(timers.due.tolist()) == {FUTURE}


def test_since_go_1_23_stopped_timers_that_are_still_in_a_heap_do_not_count(new: MadeUp) -> None:
    pending = new.timer(HEAPED)
    new.heap([pending, new.timer(HEAPED | ZOMBIE), new.timer(HEAPED, 0), new.timer(0)])
    assert read(new) == [pending]


def test_what_is_no_timer_of_the_heap_costs_itself_alone(made: MadeUp) -> None:
    own = made.timer(WAITING)
    made.heap([own, made.timer(WAITING, owner=made.processor + 8), NOWHERE, (1 << 64) - 1, 0])
    assert read(made) == [own]


@pytest.mark.parametrize(("length", "room"), [(2, 1), (1 << 40, 1 << 40), ((1 << 64) - 1, (1 << 64) - 1)])
def test_a_heap_that_cannot_be_one_is_refused(made: MadeUp, length: int, room: int) -> None:
    made.heap([made.timer(WAITING)], length=length, room=room)
    with pytest.raises(ImplausibleMemoryError, match="has no heap of timers"):
        read(made)


def test_a_heap_that_lies_nowhere_is_left_out(made: MadeUp) -> None:
    made.heap([made.timer(WAITING)])
    made.write(made.processor + made.at.heap, 8, NOWHERE)
    assert read(made) == []


def test_of_more_timers_than_are_read_each_stands_for_several(made: MadeUp) -> None:
    timers = [made.timer(WAITING) for _ in range(4 * RUN)]
    made.heap(timers)
    found, _, stands_for = read_heaps(made.runtime(), made.at, 2 * RUN)
    assert (len(found), stands_for) == (2 * RUN, 2.0)
    assert set(found.at.tolist()) <= set(timers)


def test_the_next_time_of_one_that_repeats_is_never_over() -> None:
    due, period = np.array([150, 90, 90, 50]), np.array([0, 0, 20, 20])
    nothing = np.zeros(len(due), np.uint64)
    assert next_in_ns(Timers(nothing, due, period, nothing, nothing), 100).tolist() == [50, 0, 10, 10]
