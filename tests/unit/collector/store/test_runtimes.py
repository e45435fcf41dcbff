"""What the runtime of a process says of itself is kept, and the newest is told with the process."""

from dataclasses import replace
from pathlib import Path

import duckdb
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import FILE_NAME, open_store
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures

from tests.unit.collector.batches import batch

EVERYTHING = RuntimeFigures(
    9, 7, 64 << 10, 5 << 20, 1 << 30, 1 << 40, 12_345, 1 << 20, 3, 40_000, 100, 4, tuple(range(14))
)


def test_the_newest_figures_are_told_with_their_process(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    newest = RuntimeFigures(10, goroutines=8, memory_limit_bytes=UNLIMITED)
    store.append([batch(1, runtimes=[EVERYTHING])])
    assert [known.runtime_figures for known in store.processes(ProcessFilter())] == [EVERYTHING]
    store.append([batch(2, runtimes=[newest]), batch(3)])
    assert [known.runtime_figures for known in store.processes(ProcessFilter())] == [newest]
    store.close()


def test_a_process_whose_runtime_was_not_read_has_none(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(1)])
    assert [known.runtime_figures for known in store.processes(ProcessFilter())] == [None]
    store.close()


def test_what_older_collectors_stored_says_nothing_of_waits(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(1, runtimes=[EVERYTHING])])
    store.close()
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        connection.execute("ALTER TABLE runtime_readings DROP COLUMN schedule_durations")
        connection.execute("DELETE FROM schema_version WHERE version > 24")
        connection.execute("INSERT INTO schema_version VALUES (24)")
    store = open_store(tmp_path)
    assert [known.runtime_figures for known in store.processes(ProcessFilter())] == [
        replace(EVERYTHING, schedule_durations=None)
    ]
    store.append([batch(2, runtimes=[EVERYTHING])])
    assert [known.runtime_figures for known in store.processes(ProcessFilter())] == [EVERYTHING]
    store.close()


def test_a_store_of_an_older_collector_has_figures_from_now_on(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(1)])
    store.close()
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        connection.execute("DROP TABLE runtime_readings")
        connection.execute("DELETE FROM schema_version WHERE version > 22")
        connection.execute("INSERT INTO schema_version VALUES (22)")
    store = open_store(tmp_path)
    store.append([batch(2, runtimes=[EVERYTHING])])
    assert [known.runtime_figures for known in store.processes(ProcessFilter())] == [EVERYTHING]
    store.close()
