"""What a collector answers of pending timers reaches its clients as agents have read it."""

from dataclasses import replace

import pytest
from gosonde.row_wire import timers_of
from gosonde_collector.query.query_wire import timers_row
from gosonde_collector.store.records import Running, TimersRead
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind

from tests.unit.collector.batches import KEY, START, process

GROUPS = (
    TimerGroup("main.expire", "", TimerKind.FUNC, 40, 5_000, None, 3_000, 30),
    TimerGroup("time.sendTime", "main.tick", TimerKind.CHANNEL, 2, 0, 1_000, None, 2),
)
READ = TimersRead(START, PendingTimers(GROUPS, 1, 2.5, 7, "too large"), others=5, other_groups=2, unread="")
OF = Running("web-1", process(), START)


def test_a_reading_reaches_the_client_with_its_age_and_its_process() -> None:
    row = timers_of(timers_row(OF, READ, 9))
    assert (row.host, row.process.pid, row.process.exe, row.age_ns) == ("web-1", KEY.pid, "/srv/app", 9)
    assert (row.read_unix_nano, row.found) == (START, replace(READ.found, groups=GROUPS))
    assert (row.others, row.other_groups, row.unread) == (5, 2, "")


def test_what_an_older_agent_did_not_say_is_not_known_to_the_client_either() -> None:
    old = tuple(replace(group, lasting=None) for group in GROUPS)
    row = timers_of(timers_row(OF, replace(READ, found=PendingTimers(old)), 9))
    assert [group.lasting for group in row.found.groups] == [None, None]


def test_timers_that_could_not_be_read_say_why() -> None:
    failed = TimersRead(START, PendingTimers(()), 0, 0, "Go 1.18 has no such timers")
    assert timers_of(timers_row(OF, failed, 9)).unread == "Go 1.18 has no such timers"


def test_a_row_without_a_reading_is_refused() -> None:
    message = timers_row(OF, READ, 9)
    message.reading.Clear()
    with pytest.raises(InvalidInputError, match="not one reading"):
        timers_of(message)
