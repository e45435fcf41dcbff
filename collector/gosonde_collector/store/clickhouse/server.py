"""Connections to a ClickHouse server, each used by one thread at a time."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from clickhouse_driver import Client
from numpy.typing import NDArray

from gosonde_collector.store.clickhouse.address import Address
from gosonde_collector.store.clickhouse.failures import failures
from gosonde_collector.store.rows import objects

# It logs each failure with its traceback, which is an error of ours with its reason.
logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)

#: Seconds to connect, and to wait for any part of an answer.
CONNECT_S: Final = 5.0
ANSWER_S: Final = 60.0
#: Idle connections that are kept.
MOST_IDLE: Final = 8
#: Of one block: an insert of as many is there as a whole or not at all.
MOST_ROWS: Final = 1_000_000
NUMBERS: Final[Mapping[str, Any]] = {"Int64": np.int64, "UInt64": np.uint64}


@dataclass(frozen=True, slots=True)
class Given:
    """A table that goes along with a query: its name, its columns' types by name, and its rows."""

    name: str
    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]]

    def sent(self) -> dict[str, Any]:
        """As the client library takes it."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"name": self.name, "structure": list(self.columns.items()), "data": rows}


class Server:
    """One database of a server.

    Args:
        address: Where it is.
        options: Of `clickhouse_driver.Client`, such as user, password and secure.
    """

    def __init__(self, address: Address, options: Mapping[str, Any]) -> None:
        self.database = address.database
        self.where = f"{address.host}:{address.port}"
        self._address, self._options = address, options
        self._idle: list[Client] = []
        self._lock = threading.Lock()

    def make_database(self) -> None:
        """Makes the database if it is not there."""
        client = self._new("")
        with failures("make the database", self.where):
            try:
                client.execute(f"CREATE DATABASE IF NOT EXISTS {self.database}")
            finally:
                client.disconnect()

    def run(self, statement: str, **values: Any) -> None:  # noqa: ANN401 - whatever a column holds
        """Has a statement done that answers nothing."""
        with failures("change the store", self.where), self._client() as client:
            client.execute(statement, values or None)

    def rows(self, query: str, *given: Given, **values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - the same
        """The rows of an answer; `%(name)s` in the query stands for a value."""
        with failures("read the store", self.where), self._client() as client:
            found: list[tuple[Any, ...]] = client.execute(
                query, values or None, external_tables=[table.sent() for table in given] or None
            )
        return found

    def columns(self, query: str, *given: Given, **values: Any) -> list[NDArray[Any]]:  # noqa: ANN401 - the same
        """The columns of an answer, in the query's order; none where it has no row."""
        with failures("read the store", self.where), self._client() as client:
            found, types = client.execute(
                query,
                values or None,
                external_tables=[table.sent() for table in given] or None,
                columnar=True,
                with_column_types=True,
            )
        return [
            np.array(column, NUMBERS[kind]) if kind in NUMBERS else objects(column)
            for column, (_, kind) in zip(found, types, strict=False)
        ]

    def insert(self, table: str, columns: Mapping[str, list[Any]]) -> None:
        """Adds rows in one block; a table's name and columns are constants of this program."""
        with failures("write to the store", self.where), self._client() as client:
            names = ", ".join(columns)
            client.execute(f"INSERT INTO {table} ({names}) VALUES", list(columns.values()), columnar=True)

    def close(self) -> None:
        """Ends all connections; none is in use."""
        with self._lock:
            for client in self._idle:
                client.disconnect()
            self._idle.clear()

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with self._lock:
            client = self._idle.pop() if self._idle else self._new(self.database)
        try:
            yield client
        except BaseException:
            client.disconnect()
            raise
        with self._lock:
            if len(self._idle) < MOST_IDLE:
                self._idle.append(client)
                return
        client.disconnect()

    def _new(self, database: str) -> Client:
        return Client(
            self._address.host,
            self._address.port,
            database=database,
            connect_timeout=CONNECT_S,
            send_receive_timeout=ANSWER_S,
            sync_request_timeout=CONNECT_S,
            settings={"insert_block_size": MOST_ROWS},
            **self._options,
        )
