"""Readings of pending timers are kept with their groups, and the newest outlives the others."""

from pathlib import Path

import duckdb
from gosonde_collector.store.duckdb import FILE_NAME, open_store
from gosonde_common.values.timers import TimerKind

from tests.unit.collector.batches import KEY, SECOND, START, STREAM, batch, process

HOUR_NS = 3_600 * SECOND


def test_readings_come_back_in_order_with_what_is_pending(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(number, timers=[(0, "main.expire", 10 * number)]) for number in (1, 2, 3)])
    found = store.timers(STREAM.host, KEY, HOUR_NS)
    assert [(one.read_unix_nano, one.pending) for one in found] == [(START + n * SECOND, 10 * n) for n in (1, 2, 3)]
    (group,) = found[-1].found.groups
    assert (group.callback, group.kind, group.pending, group.period_ns) == ("main.expire", TimerKind.FUNC, 30, None)
    assert [one.pending for one in store.timers(STREAM.host, KEY, SECOND)] == [20, 30]
    store.close()


def test_what_older_collectors_stored_says_nothing_of_what_lasts(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(1, timers=[(0, "main.expire", 10)])])
    store.close()
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
            connection.execute(f"DROP VIEW {name}")
        connection.execute("ALTER TABLE timer_readings DROP COLUMN group_lasting")
        for name in ("container_id", "pod_uid", "namespace", "pod", "container", "workload"):
            connection.execute(f"ALTER TABLE processes DROP COLUMN {name}")
        connection.execute("DELETE FROM schema_version WHERE version > 16")
        connection.execute("INSERT INTO schema_version VALUES (16)")
    store = open_store(tmp_path)
    store.append([batch(2, timers=[(0, "main.expire", 11)])])
    found = store.timers(STREAM.host, KEY, HOUR_NS)
    assert [(one.pending, one.found.groups[0].lasting) for one in found] == [(10, None), (11, 11)]
    assert [one.pending for one in store.newest_timers(HOUR_NS).values()] == [11]
    store.close()


def test_a_process_that_has_ended_has_no_newest_reading(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(1, timers=[(0, "main.expire", 10)])])
    store.append([batch(2, processes=[process(ended_unix_nano=START + 2 * SECOND)])])
    assert store.newest_timers(HOUR_NS) == {}
    store.close()


def test_a_process_without_readings_has_none(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(1)])
    assert store.timers(STREAM.host, KEY, HOUR_NS) == []
    store.close()


def test_old_readings_go_but_the_newest_of_what_runs_stays(tmp_path: Path) -> None:
    now = [START]
    store = open_store(tmp_path, lambda: now[0])
    for number in (1, 2, 3):
        now[0] = START + number * SECOND
        store.append([batch(number, timers=[(0, "main.expire", number)])])
    store.expire(START + 3 * SECOND)
    assert [one.pending for one in store.timers(STREAM.host, KEY, HOUR_NS)] == [2, 3]
    store.close()
