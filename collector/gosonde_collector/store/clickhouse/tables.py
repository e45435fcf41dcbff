"""The tables: the columns of schema.sql, and with them where a row belongs and until when it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb

from gosonde_collector.store.migrations import prepare

HOUR_NS: Final = 3_600_000_000_000
#: DuckDB's types, as ClickHouse calls them.
TYPES: Final = {"VARCHAR": "String", "BIGINT": "Int64", "UBIGINT": "UInt64"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ClickHouse.

    Attributes:
        name: As in schema.sql.
        order: What it is sorted by.
        key: What has one current row each, the one with the highest `newest`; empty where old rows just go.
        newest: See key.
        owner: Columns of what a row is about: its current row is kept while that is known.
        more: Columns that schema.sql does not have, beside `hour`.
    """

    name: str
    order: tuple[str, ...]
    key: tuple[str, ...] = ()
    newest: str = "sequence"
    owner: tuple[str, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        """Whether it is replaced as a whole: the set that was stored last counts."""
        return "position" in self.more


HOST: Final = {"host": "String"}
RUN: Final = ("host", "agent_id", "agent_epoch")
PROCESS: Final = ("process",)
BUILD: Final = ("build_id",)


def _counted(name: str, *key: str) -> Table:
    """Of what a batch says of a process: of each key the newest row is current."""
    order = ("host", "process", *key, "sequence")
    return Table(name, order, ("process", *key), owner=PROCESS, more=HOST)


def _happened(name: str) -> Table:
    return Table(name, ("host", "process", "ordinal", "sequence"), more=HOST)


def _of_snapshots(name: str, *order: str) -> Table:
    return Table(name, ("host", "snapshot_id", *order), more=HOST)


#: When a set or an output of a compiler was stored.
SAVED: Final = {"stored_unix_nano": "Int64"}


def _set(name: str) -> Table:
    """See Table.is_set."""
    return Table(name, ("stored_unix_nano", "position"), more={**SAVED, "position": "Int64"})


TABLES: Final = {
    table.name: table
    for table in (
        Table("batches", (*RUN, "sequence"), RUN, owner=RUN),
        Table("processes", ("host", "process", "sequence"), PROCESS, owner=PROCESS),
        Table("site_names", ("build_id", "pc", "stored_unix_nano"), ("build_id", "pc"), "stored_unix_nano", BUILD),
        _counted("site_counters", "pc"),
        _counted("site_estimates", "pc"),
        _counted("park_counters", "wait_reason"),
        _counted("gc_totals"),
        _counted("probe_costs"),
        _counted("proofs", "pc"),
        _counted("holders", "pc"),
        _counted("searches"),
        _counted("timer_readings"),
        _counted("runtime_readings"),
        _happened("pauses"),
        _happened("gc_cycles"),
        Table(
            "losses",
            (*RUN, "name", "sequence"),
            ("agent_id", "agent_epoch", "name"),
            owner=("agent_id", "agent_epoch"),
            more=HOST,
        ),
        Table("snapshots", ("host", "boot_id", "pid", "start_ticks", "exec_epoch", "taken_unix_nano")),
        _of_snapshots("snapshot_groups", "position"),
        _of_snapshots("snapshot_samples", "position"),
        _of_snapshots("snapshot_labels"),
        Table("findings", ("id", "updated_unix_nano"), ("id",), "updated_unix_nano", ("id",)),
        _set("mutes"),
        _set("reported"),
        Table("audit", (*RUN, "ordinal", "stored_unix_nano")),
        Table("escape_outputs", ("build_id", "stored_unix_nano"), BUILD, "stored_unix_nano", BUILD),
        Table("escapes", ("build_id", "stored_unix_nano", "position"), BUILD, "stored_unix_nano", BUILD, SAVED),
    )
}


def columns() -> dict[str, dict[str, str]]:
    """The columns of schema.sql by table, with ClickHouse's types, in its order."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        prepare(connection)
        found = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE table_name IN (SELECT table_name FROM duckdb_tables()) ORDER BY table_name, column_index"
        ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        if table in TABLES:
            tables.setdefault(table, {})[column] = _type(kind)
    return tables


def _type(kind: str) -> str:
    one = TYPES[kind.removesuffix("[]")]
    return f"Array({one})" if kind.endswith("[]") else one


COLUMNS: Final = columns()


def all_columns(table: Table) -> dict[str, str]:
    """A table's columns, `hour` among them: the partition, hours since 1970 by the clock of the collector."""
    return {**COLUMNS[table.name], **table.more, "hour": "Int64"}
