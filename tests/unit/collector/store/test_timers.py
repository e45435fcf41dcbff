"""Readings of pending timers are kept with their groups, and the newest outlives the others."""

from gosonde_collector.store.protocol import Store
from gosonde_common.values.timers import TimerKind

from tests.unit.collector.batches import KEY, SECOND, START, STREAM, batch, process
from tests.unit.collector.stores import OpenStore

HOUR_NS = 3_600 * SECOND


def test_readings_come_back_in_order_with_what_is_pending(store: Store) -> None:
    store.append([batch(number, timers=[(0, "main.expire", 10 * number)]) for number in (1, 2, 3)])
    found = store.timers(STREAM.host, KEY, HOUR_NS)
    assert [(one.read_unix_nano, one.pending) for one in found] == [(START + n * SECOND, 10 * n) for n in (1, 2, 3)]
    (group,) = found[-1].found.groups
    assert (group.callback, group.kind, group.pending, group.period_ns) == ("main.expire", TimerKind.FUNC, 30, None)
    assert [one.pending for one in store.timers(STREAM.host, KEY, SECOND)] == [20, 30]


def test_a_process_that_has_ended_has_no_newest_reading(store: Store) -> None:
    store.append([batch(1, timers=[(0, "main.expire", 10)])])
    store.append([batch(2, processes=[process(ended_unix_nano=START + 2 * SECOND)])])
    assert store.newest_timers(HOUR_NS) == {}


def test_a_process_without_readings_has_none(store: Store) -> None:
    store.append([batch(1)])
    assert store.timers(STREAM.host, KEY, HOUR_NS) == []


def test_old_readings_go_but_the_newest_of_what_runs_stays(open_one: OpenStore) -> None:
    now = [START]
    store = open_one(now=lambda: now[0])
    for number in (1, 2, 3):
        now[0] = START + number * HOUR_NS
        store.append([batch(number, timers=[(0, "main.expire", number)])])
    store.expire(START + 3 * HOUR_NS)
    assert [one.pending for one in store.timers(STREAM.host, KEY, HOUR_NS)] == [2, 3]
