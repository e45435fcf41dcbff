# ruff: noqa: S608 - these statements are put together from constants of this room alone; values are always bound
"""What is too old goes, an hour at a time; what still holds is written once more before."""

from collections.abc import Mapping
from contextlib import closing
from typing import Final

from gosonde_collector.store.clickhouse.filling import Filling
from gosonde_collector.store.clickhouse.server import Given, Server
from gosonde_collector.store.clickhouse.tables import BUILD, HOUR_NS, PROCESS, TABLES, Table, all_columns
from gosonde_collector.store.clickhouse.tables import RUN as RUN_KEY
from gosonde_collector.store.queries import LARGEST
from gosonde_collector.store.retention import THINNED

#: Of which current rows are kept, by what owns them, with up to which `newest` they count; as queries.EXPIRE has it.
_KNOWN: Final = "NOT ((p.ended_unix_nano > 0 AND p.told_unix_nano < $1) OR p.last_stored_unix_nano < $1)"
_PROCESSES: Final = f"""
SELECT p.process, b.sequence FROM all_processes AS p
JOIN batches AS b ON b.host = p.host AND b.agent_id = p.agent_id AND b.agent_epoch = p.agent_epoch WHERE {_KNOWN}
"""
_RUNS: Final = "SELECT {columns}, max(sequence) FROM batches WHERE stored_unix_nano >= $1 GROUP BY ALL"
KEPT: Final[Mapping[tuple[str, ...], str]] = {
    PROCESS: _PROCESSES,
    BUILD: f"SELECT DISTINCT p.build_id, {LARGEST} FROM all_processes AS p WHERE {_KNOWN}",
    RUN_KEY: _RUNS.format(columns="host, agent_id, agent_epoch"),
    ("agent_id", "agent_epoch"): _RUNS.format(columns="agent_id, agent_epoch"),
    ("id",): f"SELECT id, {LARGEST} FROM findings WHERE updated_unix_nano >= $1 GROUP BY id",
}


#: Tables of which more than the newest row stays.
TOTALS: Final = frozenset(totals.table for totals in THINNED)


def expire(server: Server, before_unix_nano: int, totals_unix_nano: int) -> bool:
    """Deletes the hours that were over before a moment, except current rows of what is still known; whether any.

    Of totals these are the hours before another moment.
    """
    moments = {name: totals_unix_nano if name in TOTALS else before_unix_nano for name in TABLES}
    old: dict[str, list[int]] = {}
    for table, hour in server.rows(
        "SELECT DISTINCT table, toInt64(partition) FROM system.parts "
        "WHERE database = %(name)s AND active AND table IN %(tables)s AND toInt64OrZero(partition) < %(first)s",
        name=server.database,
        tables=tuple(TABLES),
        first=before_unix_nano // HOUR_NS,
    ):
        if hour < moments[table] // HOUR_NS:
            old.setdefault(table, []).append(hour)
    if old:
        with closing((filling := Filling(server)).connection):
            filling.processes()
            filling.fill("findings", "SELECT id, max(updated_unix_nano), '' FROM findings GROUP BY id")
            for table in map(TABLES.__getitem__, old):
                _keep(server, filling, table, before_unix_nano, moments[table.name] // HOUR_NS)
    for table_name, hours in old.items():
        for hour in hours:
            server.run(f"ALTER TABLE {table_name} DROP PARTITION {hour}")
    return bool(old)


def _keep(server: Server, filling: Filling, table: Table, before_unix_nano: int, first: int) -> None:
    """Writes current rows of old hours into the first hour that stays. What is there twice then counts once."""
    if table.is_set:
        where, given = f"stored_unix_nano = (SELECT max(stored_unix_nano) FROM {table.name})", []
    elif table.key:
        kept = filling.rows(KEPT[table.owner], before_unix_nano)
        if not kept:
            return
        columns = all_columns(table)
        owner, key = ", ".join(table.owner), ", ".join(table.key)
        given = [Given("kept", {**{name: columns[name] for name in table.owner}, "committed": "Int64"}, kept)]
        where = f"""({key}, {table.newest}) IN (
            SELECT {key}, max({table.newest}) FROM {table.name}
            ALL INNER JOIN (SELECT {owner}, committed FROM kept) AS of_kept USING ({owner})
            WHERE hour < %(first)s AND {table.newest} <= committed GROUP BY {key}
        )"""
    else:
        return
    names = ", ".join(name for name in all_columns(table) if name != "hour")
    server.rows(
        f"INSERT INTO {table.name} ({names}, hour) SELECT DISTINCT {names}, toInt64(%(first)s) FROM {table.name} "
        f"WHERE hour < %(first)s AND {where}",
        *given,
        first=first,
    )
