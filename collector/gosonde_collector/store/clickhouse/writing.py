"""Columns as ClickHouse takes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.model.errors import StoreError
from gosonde_collector.model.values import Batch, Columns
from gosonde_collector.store.clickhouse.server import MOST_ROWS, NUMBERS
from gosonde_collector.store.clickhouse.tables import HOUR_NS, TABLES, all_columns
from gosonde_collector.store.identity import process_number

Lists = dict[str, list[Any]]


class Hosts:
    """Which host the rows of some batches belong to, by what the rows name."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._processes: dict[int, str] = {}
        self._runs: dict[tuple[str, str], str] = {}
        for batch in batches:
            stream = batch.stream
            self._runs.setdefault((stream.agent_id, stream.agent_epoch), stream.host)
            for process in batch.processes:
                self._processes[process_number(stream, process.key)] = stream.host

    def of(self, lists: Lists) -> list[str]:
        """A host for each row: of its process, or of its agent's run."""
        if "process" in lists:
            return [self._processes[number] for number in lists["process"]]
        return [self._runs[run] for run in zip(lists["agent_id"], lists["agent_epoch"], strict=True)]


def lists_of(table: str, columns: Columns, now_unix_nano: int, hosts: Hosts | str = "") -> Lists:
    """The columns of a table as lists, with the partition, and with the host where the table has one of its own.

    Raises:
        StoreError: A value is not of the column's type, or there are too many rows for one insert.
    """
    types = all_columns(TABLES[table])
    lists = {name: _list(table, name, types[name], column) for name, column in columns.items()}
    count = len(next(iter(lists.values())))
    if count > MOST_ROWS:
        raise StoreError(f"cannot write to the store: {count} rows of {table} at a time, more than {MOST_ROWS}")
    if "host" in types and "host" not in lists:
        lists["host"] = [hosts] * count if isinstance(hosts, str) else hosts.of(lists)
    return {**lists, "hour": [now_unix_nano // HOUR_NS] * count}


def _list(table: str, name: str, kind: str, column: NDArray[Any]) -> list[Any]:
    try:
        if kind in NUMBERS:
            numbers: list[Any] = np.asarray(column, NUMBERS[kind]).tolist()
            return numbers
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"cannot write to the store: {table}.{name} is no number: {error}") from error
    return list(column)


def in_order(tables: Mapping[str, Lists], last: str) -> Sequence[tuple[str, Lists]]:
    """The tables, and one of them in the end: its rows say that all others are there."""
    return [*((name, lists) for name, lists in tables.items() if name != last), (last, tables[last])]
