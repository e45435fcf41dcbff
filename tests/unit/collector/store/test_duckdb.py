"""What holds of a store in a file alone."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from gosonde_collector.model.errors import StoreError
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import FILE_NAME, open_store

from tests.unit.collector.batches import KEY, STREAM, batch

HOUR_NS = 3_600_000_000_000


def test_a_second_process_is_told_that_the_store_is_in_use(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\n"
        "from gosonde_collector.store.duckdb import open_store\n"
        "open_store(pathlib.Path(sys.argv[1]))"
    )
    with closing(open_store(tmp_path)) as store:
        other = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert store.processes(ProcessFilter()) == []
    assert other.returncode == 1
    assert "is open in another process" in other.stderr


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        connection.execute("UPDATE schema_version SET version = 77")
    with pytest.raises(StoreError, match="version 77"):
        open_store(tmp_path)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"x" * 10_000)
    with pytest.raises(StoreError, match="cannot open the store"):
        open_store(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--data"):
        open_store(tmp_path / "file")


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
