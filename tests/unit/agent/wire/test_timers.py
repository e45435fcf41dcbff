"""Readings of timers come out of a message as they went in, and what contradicts itself is refused."""

import pytest
from gosonde_agent.wire.encoding import encode
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.observation import TimerReading
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind
from gosonde_common.wire.observations import decode

from tests.unit.agent.observations import observed, process

GROUPS = (
    TimerGroup("main.expire", "", TimerKind.FUNC, 40, 5_000, None, 3_000, 30),
    TimerGroup("time.sendTime", "main.tick", TimerKind.CHANNEL, 2, 0, 1_000, None, 2),
)
FOUND = PendingTimers(GROUPS, changing=1, each_stands_for=2.5, unproved=7, heap_unread="too large")


def test_a_reading_comes_out_as_it_went_in() -> None:
    read = TimerReading(process(1).key, 9, FOUND, others=5, other_groups=2)
    failed = TimerReading(process(2).key, 9, unread="Go 1.18 has no such timers")
    seen = observed(process(1), process(2), timers=(read, failed))
    assert decode(encode(seen)) == seen


def test_the_timers_of_one_process_are_reported_with_it_alone() -> None:
    rows = tuple(TimerReading(process(pid).key, 9, FOUND) for pid in (1, 2))
    seen = observed(process(1), process(2), timers=rows)
    assert seen.of((process(2),)).timers == rows[1:]


def test_groups_that_do_not_add_up_are_refused() -> None:
    message = encode(observed(process(1), timers=(TimerReading(process(1).key, 9, FOUND),)))
    message.timer_readings.pending[0] += 1
    with pytest.raises(InvalidInputError, match="43 timers are pending, and 42 in groups"):
        decode(message)


def test_what_an_older_agent_does_not_say_is_not_known() -> None:
    message = encode(observed(process(1), timers=(TimerReading(process(1).key, 9, FOUND),)))
    del message.timer_readings.groups[0].lasting[:]
    (reading,) = decode(message).timers
    assert [group.lasting for group in reading.found.groups] == [None, None]


def test_a_kind_that_is_not_known_is_refused() -> None:
    message = encode(observed(process(1), timers=(TimerReading(process(1).key, 9, FOUND),)))
    message.timer_readings.groups[0].kind[0] = "alarm"
    with pytest.raises(InvalidInputError, match="'alarm'"):
        decode(message)
