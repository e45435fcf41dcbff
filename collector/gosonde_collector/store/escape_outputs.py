"""What the compiler says of escapes, one output for each build."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import numpy as np

from gosonde_collector.evidence.escapes.matching import base
from gosonde_collector.evidence.escapes.model import Escapes, Function, Value
from gosonde_collector.model.values import Columns
from gosonde_collector.store.records import EscapesRead
from gosonde_collector.store.rows import objects

#: Builds whose output is kept, and values and functions of all of them.
MOST_BUILDS, MOST_ROWS = 64, 1_000_000
FUNCTION: Final = "function"

#: Of builds that no process is of any more.
_OLD: Final = """
SELECT build_id FROM escape_outputs
WHERE stored_unix_nano < $before AND build_id NOT IN (SELECT build_id FROM processes)
"""
EXPIRE: Final = (
    f"DELETE FROM escapes WHERE build_id IN ({_OLD})",  # noqa: S608 - a constant
    f"DELETE FROM escape_outputs WHERE build_id IN ({_OLD})",  # noqa: S608 - a constant
)
_MAKE_ROOM: Final = """
DELETE FROM escape_outputs WHERE build_id IN (
    SELECT build_id FROM (
        SELECT build_id, row_number() OVER newest AS number, sum(kept) OVER newest AS rows FROM escape_outputs
        WINDOW newest AS (ORDER BY stored_unix_nano DESC, build_id ROWS UNBOUNDED PRECEDING)
    ) WHERE number > $1 OR rows > $2
)
"""
_SELECT: Final = """
SELECT kind, package, file, line, line_column, name, why, function, inlined FROM escapes
WHERE build_id = $1 AND list_contains($2::VARCHAR[], base) ORDER BY position
"""


def delete(connection: duckdb.DuckDBPyConnection, build_id: str) -> bool:
    """Deletes what is stored of a build; whether there was anything."""
    found = connection.execute("SELECT 1 FROM escape_outputs WHERE build_id = ?", [build_id]).fetchone()
    connection.execute("DELETE FROM escapes WHERE build_id = ?", [build_id])
    connection.execute("DELETE FROM escape_outputs WHERE build_id = ?", [build_id])
    return found is not None


def make_room(connection: duckdb.DuckDBPyConnection) -> None:
    """Deletes the outputs that were stored first, beyond MOST_BUILDS and MOST_ROWS."""
    connection.execute(_MAKE_ROOM, [MOST_BUILDS, MOST_ROWS])
    connection.execute("DELETE FROM escapes WHERE build_id NOT IN (SELECT build_id FROM escape_outputs)")


def tables(build_id: str, now_unix_nano: int, found: Escapes) -> Iterator[tuple[str, Columns]]:
    """(table, columns) of an output."""
    values = [(one.column, one.kind, one.why, one.function, list(one.inlined)) for one in found.values]
    values += [(0, FUNCTION, "", "", [])] * len(found.functions)
    both: list[Value | Function] = [*found.values, *found.functions]
    yield (
        "escape_outputs",
        {
            "build_id": objects([build_id]),
            "stored_unix_nano": np.array([now_unix_nano], np.int64),
            "detailed": np.array([found.is_detailed], np.int64),
            "kept": np.array([len(both)], np.int64),
        },
    )
    if both:
        columns, kinds, whys, functions, inlined = zip(*values, strict=True)
        yield (
            "escapes",
            {
                "build_id": objects([build_id] * len(both)),
                "position": np.arange(len(both), dtype=np.int64),
                "base": objects([base(one.file) for one in both]),
                "package": objects([one.package for one in both]),
                "file": objects([one.file for one in both]),
                "line": np.array([one.line for one in both], np.int64),
                "line_column": np.array(columns, np.int64),
                "kind": objects(kinds),
                "name": objects([one.name for one in both]),
                "why": objects(whys),
                "function": objects(functions),
                "inlined": objects(inlined),
            },
        )


def read(cursor: duckdb.DuckDBPyConnection, build_id: str, names: Sequence[str]) -> EscapesRead | None:
    """What is stored of a build's files of these names; None when nothing is stored of it."""
    head = cursor.execute(
        "SELECT stored_unix_nano, detailed FROM escape_outputs WHERE build_id = ?", [build_id]
    ).fetchone()
    if head is None:
        return None
    rows = cursor.execute(_SELECT, [build_id, list(names)]).fetchall()
    functions = tuple(Function(row[1], row[2], row[3], row[5]) for row in rows if row[0] == FUNCTION)
    values = tuple(map(_value, (row for row in rows if row[0] != FUNCTION)))
    return EscapesRead(head[0], Escapes(values, functions, bool(head[1])))


def _value(row: tuple[Any, ...]) -> Value:
    kind, package, file, line, column, name, why, function, inlined = row
    return Value(package, file, line, column, kind, name, why, function, tuple(inlined))
