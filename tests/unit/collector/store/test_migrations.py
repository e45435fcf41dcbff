"""A store of an older version is brought to the present one, whole or not at all."""

from pathlib import Path

import duckdb
import pytest
from gosonde_collector.model.errors import StoreError
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import FILE_NAME, open_store
from gosonde_collector.store.migrations import MIGRATIONS, SCHEMA_VERSION

from tests.paths import FIXTURES
from tests.unit.collector.batches import SITE, STREAM, batch

FIRST = FIXTURES / "store" / "schema-1.sql"


def version_one(folder: Path) -> None:
    """A store as the first version left it, with one batch of one process."""
    with duckdb.connect(str(folder / FILE_NAME)) as connection:
        connection.execute(FIRST.read_text())
        connection.execute("INSERT INTO schema_version VALUES (1)")
        connection.execute("INSERT INTO batches VALUES ('agent', 'epoch-1', 'web-1', '0.1.0', 7, 5, 5)")
        connection.execute(
            "INSERT INTO processes VALUES (1, 'agent', 'epoch-1', 7, 5, 'web-1', 'boot', 9, 9, 0, '/srv/old', "
            "'go1.24', 'build', 1, 1, 1, 0, 'full', '')"
        )
        connection.execute("INSERT INTO site_counters VALUES (1, 7, 5, 4096, 12, 3)")


def test_what_an_older_version_stored_is_still_there(tmp_path: Path) -> None:
    version_one(tmp_path)
    store = open_store(tmp_path)
    (total,) = store.sites(ProcessFilter())
    assert (total.exe, total.created, total.exited) == ("/srv/old", 12, 3)
    assert store.acknowledged(STREAM) == 7
    assert total.estimate is None
    store.append([batch(8, counters=[(0, SITE.pc, 5, 5)], estimates=[(0, SITE.pc, 40, 30, 50, 40, 30, 50)])])
    assert [row.estimate and row.estimate.created for row in store.sites(ProcessFilter())] == [None, 40]
    store.close()
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        versions = connection.execute("SELECT version FROM schema_version ORDER BY version").fetchall()
    assert versions == [(version,) for version in range(1, SCHEMA_VERSION + 1)]
    again = open_store(tmp_path)
    assert len(again.processes(ProcessFilter())) == 2
    again.close()


def test_an_upgraded_store_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    tables = []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        if name == "old":
            version_one(tmp_path / name)
        open_store(tmp_path / name).close()
        with duckdb.connect(str(tmp_path / name / FILE_NAME)) as connection:
            query = "SELECT table_name, column_name, data_type FROM duckdb_columns() ORDER BY ALL"
            tables.append(set(connection.execute(query).fetchall()))
    assert tables[0] == tables[1]


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version_one(tmp_path)
    monkeypatch.setitem(MIGRATIONS, 2, (*MIGRATIONS[2], "ALTER TABLE nowhere ADD COLUMN x BIGINT"))
    with pytest.raises(StoreError, match="nowhere"):
        open_store(tmp_path)
    monkeypatch.undo()
    store = open_store(tmp_path)
    assert store.acknowledged(STREAM) == 7
    store.close()
