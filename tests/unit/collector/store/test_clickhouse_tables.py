"""Each table of the embedded store has its place in ClickHouse."""

import duckdb
import pytest
from gosonde_collector.store.clickhouse.tables import TABLES, all_columns
from gosonde_collector.store.migrations import prepare
from gosonde_collector.store.writes import TABLES as OF_BATCHES

#: What the embedded store alone needs: its version, how far it has thinned, and sums of what other tables have.
OF_DUCKDB = {"schema_version", "thinned", "site_totals", "totals_until", "totals_stored"}


def test_no_table_is_forgotten() -> None:
    with duckdb.connect(":memory:") as connection:
        prepare(connection)
        found = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert found - OF_DUCKDB == TABLES.keys()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_sorted_and_kept_by_columns_that_it_has(name: str) -> None:
    table = TABLES[name]
    used = {*table.order, *table.key, *table.owner, *((table.newest,) if table.key else ())}
    assert used <= all_columns(table).keys()


@pytest.mark.parametrize("name", OF_BATCHES)
def test_rows_of_batches_are_sorted_by_their_host_first_and_have_its_sequence(name: str) -> None:
    table = TABLES[name]
    assert table.order[:2] == ("host", "process")
    assert "sequence" in table.order
