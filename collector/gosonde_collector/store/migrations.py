"""How a store of an older version becomes one of this version. DuckDB's dialect."""

from collections.abc import Sequence
from importlib import resources
from typing import Final

import duckdb

from gosonde_collector.model.errors import StoreError

#: What each version changed in the tables of the one before. schema.sql has the tables as they are now.
MIGRATIONS: Final[dict[int, Sequence[str]]] = {
    2: (
        "ALTER TABLE batches ADD COLUMN agent_run BIGINT DEFAULT 0",
        "ALTER TABLE batches ADD COLUMN previous_end VARCHAR DEFAULT 'unspecified'",
    ),
    3: ("ALTER TABLE site_counters ADD COLUMN baseline BIGINT DEFAULT 0",),
    4: (),  # the table probe_costs, which schema.sql makes
    5: ("ALTER TABLE snapshots ADD COLUMN kind VARCHAR DEFAULT 'goroutine'",),
    6: (
        "ALTER TABLE processes ADD COLUMN precise BIGINT DEFAULT 1",
        "ALTER TABLE processes ADD COLUMN step_unix_nano BIGINT[] DEFAULT []",
        "ALTER TABLE processes ADD COLUMN step_level VARCHAR[] DEFAULT []",
        "ALTER TABLE processes ADD COLUMN step_reason VARCHAR[] DEFAULT []",
        "ALTER TABLE processes ADD COLUMN step_ppm BIGINT[] DEFAULT []",
    ),
    7: (
        "ALTER TABLE snapshot_groups ADD COLUMN wait_s BIGINT DEFAULT 0",
        "ALTER TABLE snapshot_groups DROP COLUMN wait_minutes",
        "ALTER TABLE snapshot_groups ADD COLUMN goids BIGINT[] DEFAULT []",
        "ALTER TABLE snapshot_groups ADD COLUMN stack_bytes BIGINT DEFAULT 0",
    ),
    8: ("ALTER TABLE site_counters ADD COLUMN mismatch BIGINT DEFAULT 0",),
    9: (
        "ALTER TABLE park_counters ADD COLUMN parks BIGINT DEFAULT 0",
        "ALTER TABLE park_counters ADD COLUMN parks_low BIGINT DEFAULT 0",
        "ALTER TABLE park_counters ADD COLUMN parks_high BIGINT DEFAULT 0",
        "ALTER TABLE park_counters ADD COLUMN windows BIGINT DEFAULT 0",
        "ALTER TABLE park_counters ADD COLUMN sampled_ns BIGINT DEFAULT 0",
        "ALTER TABLE park_counters ADD COLUMN covered_ns BIGINT DEFAULT 0",
    ),
    10: tuple(
        f"ALTER TABLE gc_cycles ADD COLUMN heap_{name}_bytes BIGINT DEFAULT 0"
        for name in ("before", "after", "marked", "goal")
    ),
    11: (
        "ALTER TABLE batches ADD COLUMN interval_ns BIGINT DEFAULT 0",
        "ALTER TABLE processes ADD COLUMN sums BIGINT DEFAULT 0",
    ),
    12: (),  # the tables proofs, holders and searches, which schema.sql makes
    13: (),  # the table site_estimates, which schema.sql makes
    14: ("ALTER TABLE gc_cycles ADD COLUMN number BIGINT DEFAULT 0",),
    15: (),  # the table mutes, which schema.sql makes
    16: (),  # the table timer_readings, which schema.sql makes
    17: ("ALTER TABLE IF EXISTS timer_readings ADD COLUMN group_lasting BIGINT[]",),  # not before version 16
    18: (),  # the table audit, which schema.sql makes
    19: tuple(
        f"ALTER TABLE processes ADD COLUMN {name} VARCHAR DEFAULT ''"
        for name in ("container_id", "pod_uid", "namespace", "pod", "container", "workload")
    ),
    20: (),  # the tables escape_outputs and escapes, which schema.sql makes
    21: (),  # the table snapshot_labels, which schema.sql makes
    22: (),  # the table reported, which schema.sql makes
    23: (),  # the table runtime_readings, which schema.sql makes
    24: (),  # the table thinned, which schema.sql makes
    25: ("ALTER TABLE IF EXISTS runtime_readings ADD COLUMN IF NOT EXISTS schedule_durations BIGINT[]",),
    26: (),  # the tables site_totals, totals_until and totals_stored, which schema.sql makes
}
SCHEMA_VERSION: Final = max(MIGRATIONS)


def prepare(connection: duckdb.DuckDBPyConnection) -> int:
    """Brings the tables to this version, in one transaction, and makes the views; returns the version it had.

    Raises:
        StoreError: The store is of a newer version.
        duckdb.Error: The store fails; it is as it was before.
    """
    connection.begin()
    try:
        found = _migrated(connection)
        connection.execute(_script("views.sql"))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return found


def _migrated(connection: duckdb.DuckDBPyConnection) -> int:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT)")
    ((found,),) = connection.execute("SELECT max(version) FROM schema_version").fetchall()
    if found is None:
        connection.execute(_script("schema.sql"))
        connection.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
        return SCHEMA_VERSION
    if found > SCHEMA_VERSION:
        raise StoreError(
            f"the store has schema version {found}, and this collector knows {SCHEMA_VERSION}: run the newer one, "
            f"or name another folder with --data"
        )
    for version in range(found + 1, SCHEMA_VERSION + 1):
        _drop_views(connection)
        for statement in MIGRATIONS[version]:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version VALUES (?)", [version])
    connection.execute(_script("schema.sql"))
    return int(found)


def _drop_views(connection: duckdb.DuckDBPyConnection) -> None:
    names = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    for (name,) in names:
        connection.execute(f"DROP VIEW {name}")


def _script(name: str) -> str:
    return resources.files("gosonde_collector.store").joinpath(name).read_text()
