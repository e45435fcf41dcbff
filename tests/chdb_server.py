"""Today's ClickHouse as a library (PyPI's chdb), in place of a server: for the same SQL on another version."""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from clickhouse_driver.util.escape import escape_params
from gosonde_collector.store.clickhouse.address import Address
from gosonde_collector.store.clickhouse.server import NUMBERS, Given, Server
from gosonde_collector.store.rows import objects
from numpy.typing import NDArray


class ChdbServer(Server):
    """A database of a library's session. What goes along with a query is a table for as long as that takes."""

    def __init__(self, session: Any, database: str) -> None:
        super().__init__(Address("chdb", 0, database), {})
        self._session = session

    def make_database(self) -> None:
        self._session.query(f"CREATE DATABASE IF NOT EXISTS {self.database}")

    def run(self, statement: str, **values: Any) -> None:
        self._ask(statement, (), values)

    def rows(self, query: str, *given: Given, **values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._ask(query, given, values).get("data", [])]

    def columns(self, query: str, *given: Given, **values: Any) -> list[NDArray[Any]]:
        found = self._ask(query, given, values)
        kinds = [column["type"] for column in found["meta"]]
        columns = zip(*found["data"], strict=True)
        return [
            np.array(column, NUMBERS[kind]) if kind in NUMBERS else objects(column)
            for kind, column in zip(kinds, columns, strict=False)
        ]

    def insert(self, table: str, columns: Mapping[str, list[Any]]) -> None:
        self._session.query(f"USE {self.database}")
        self._session.query(
            f"INSERT INTO {table} ({', '.join(columns)}) FORMAT JSONColumns {json.dumps(dict(columns))}"
        )

    def _ask(self, query: str, given: Sequence[Given], values: Mapping[str, Any]) -> dict[str, Any]:
        self._session.query(f"USE {self.database}")
        for table in given:
            kinds = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
            self._session.query(f"CREATE TABLE {table.name} ({kinds}) ENGINE = Memory")
            columns = dict(zip(table.columns, zip(*table.rows, strict=True), strict=bool(table.rows)))
            if columns:
                self.insert(table.name, {name: list(column) for name, column in columns.items()})
        try:
            context = SimpleNamespace(server_info=SimpleNamespace(get_timezone=lambda: "UTC"))
            text = query % escape_params(values, context) if values else query
            answer = self._session.query(
                f"{text} {SETTINGS if text.lstrip().startswith('SELECT') else ''}", "JSONCompact"
            )
            said = answer.bytes()
            return json.loads(said) if said else {}
        finally:
            for table in given:
                self._session.query(f"DROP TABLE {table.name}")


#: Numbers of 64 bits as numbers.
SETTINGS = "SETTINGS output_format_json_quote_64bit_integers = 0"


def session(folder: Path) -> Any:
    """Where databases of this process are; there can be one at a time."""
    return importlib.import_module("chdb.session").Session(str(folder))
