"""Which rows of a table are shown, in which order, and how many."""

import fnmatch
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from gosonde_common.errors import UsageError

from gosonde_cli.rendering import Figure, cell
from gosonde_cli.tables.table import Row, Table

#: Titles of columns that options filter; that of `--state` differs from table to table.
FUNCTIONS: Final = ("FUNCTION",)
STATES: Final = ("STATE", "LEVEL", "WAIT REASON")


def arranged(table: Table, *, sort: str, limit: int, function: str = "", state: str = "") -> Table:
    """The same table with fewer rows, or in another order.

    Raises:
        UsageError: There is no such column.
    """
    rows = list(table.rows)
    for wanted, titles in (
        (function, FUNCTIONS),
        (state, STATES),
    ):
        if wanted:
            at = _position(table, titles)
            rows = [row for row in rows if wanted in cell(row.cells[at])]
    if sort:
        rows.sort(key=_order(_position(table, (_title(table, sort),))))
    kept = rows[:limit] if limit else rows
    return replace(table, rows=kept, left_out=table.left_out + len(rows) - len(kept))


def is_executable(path: str, wanted: str) -> bool:
    """Whether a path, or the name at its end, matches a pattern."""
    return fnmatch.fnmatchcase(path, wanted) or fnmatch.fnmatchcase(PurePath(path).name, wanted)


def _title(table: Table, sort: str) -> str:
    """Of the column that this names.

    Raises:
        UsageError: There is none.
    """
    known = {column.title.lower().replace(" ", "-"): column.title for column in table.columns}
    if sort not in known:
        raise UsageError(f"--sort {sort}: there is no such column; this table has {', '.join(known)}")
    return known[sort]


def _position(table: Table, titles: Sequence[str]) -> int:
    return next(at for at, column in enumerate(table.columns) if column.title in titles)


def _order(at: int) -> Callable[[Row], tuple[float, str]]:
    """The largest number first; names by the alphabet, behind all numbers."""

    def key(row: Row) -> tuple[float, str]:
        value = row.cells[at]
        number = value.number if isinstance(value, Figure) else value
        return (-number, "") if isinstance(number, int | float) else (math.inf, cell(value))

    return key
