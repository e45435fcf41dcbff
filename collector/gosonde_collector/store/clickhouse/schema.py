"""Makes the tables of a database, and brings those of an older version to this one."""

from typing import Final

from gosonde_collector.model.errors import StoreError
from gosonde_collector.store.clickhouse.server import Server
from gosonde_collector.store.clickhouse.tables import TABLES, Table, all_columns
from gosonde_collector.store.migrations import SCHEMA_VERSION

VERSIONS: Final = "schema_version"


def prepare(server: Server) -> None:
    """Brings the tables to this version: columns that are missing are added, and are 0 or empty in older rows.

    Raises:
        StoreError: The tables are of a newer version, or the server fails; nothing but whole columns was added.
    """
    server.run(
        f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version Int64) "
        "ENGINE = MergeTree PARTITION BY tuple() ORDER BY version"
    )
    ((found,),) = server.rows(f"SELECT max(version) FROM {VERSIONS}")  # noqa: S608 - a constant
    if found > SCHEMA_VERSION:
        raise StoreError(
            f"the database {server.database} of ClickHouse at {server.where} has schema version {found}, and this "
            f"collector knows {SCHEMA_VERSION}: run the newer one, or name another database"
        )
    there = _there(server)
    for table in TABLES.values():
        _prepare_table(server, table, there.get(table.name, set()))
    if found < SCHEMA_VERSION:
        server.insert(VERSIONS, {"version": [SCHEMA_VERSION]})


def _there(server: Server) -> dict[str, set[str]]:
    """The columns that there are, by table."""
    found: dict[str, set[str]] = {}
    rows = server.rows("SELECT table, name FROM system.columns WHERE database = %(name)s", name=server.database)
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def _prepare_table(server: Server, table: Table, there: set[str]) -> None:
    columns = all_columns(table)
    if not there:
        listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        order = ", ".join(table.order)
        server.run(
            f"CREATE TABLE IF NOT EXISTS {table.name} ({listed}) "
            f"ENGINE = MergeTree PARTITION BY hour ORDER BY ({order})"
        )
    for name, kind in columns.items():
        if there and name not in there:
            server.run(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}")
