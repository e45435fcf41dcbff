"""Regular expressions of whoever asks, against names of strangers: by DuckDB's engine, RE2, which ends in linear time.

Python's own takes for ever for some, and holds all threads meanwhile. RE2's syntax is that of Go, and so of pprof.
"""

import time
from collections.abc import Iterable
from typing import Final

import duckdb
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.goroutines import Location

#: Characters of an expression, and of a name that is looked at.
MOST_EXPRESSION: Final = 256
MOST_NAME: Final = 1_024
#: Of CPU time: for all names, and for those that are looked at together. With one thread DuckDB works in the caller's.
SECONDS: Final = 1.0
SECONDS_TOGETHER: Final = 0.05
QUERY: Final = "SELECT name FROM (SELECT unnest($1::VARCHAR[]) AS name) WHERE regexp_matches(name, $2)"


class Expression:
    """Says of calls whether their function, or their file, contains what an expression describes, as pprof does.

    Args:
        filter_name: What it was given to.
        names: Of all functions and files that it will be asked about.

    Raises:
        InvalidInputError: It is none, too long, or takes too long.
    """

    def __init__(self, filter_name: str, text: str, names: Iterable[str]) -> None:
        if len(text) > MOST_EXPRESSION:
            raise InvalidInputError(f"{filter_name}: the expression has more than {MOST_EXPRESSION} characters")
        try:
            self._names = _matching(filter_name, text, sorted({_cut(name) for name in names}))
        except duckdb.Error as error:
            reason = str(error).partition(": ")[2]
            raise InvalidInputError(f"{filter_name}: {text!r} is no regular expression of RE2: {reason}") from error

    def matches(self, call: Location) -> bool:
        """Whether it is in the call's function or file."""
        return _cut(call.function) in self._names or _cut(call.file) in self._names


def _cut(name: str) -> str:
    return name[:MOST_NAME].encode(errors="replace").decode()


def _matching(filter_name: str, text: str, names: list[str]) -> set[str]:
    """Slow expressions look at few names together, so that the time that all take can be bounded."""
    found: set[str] = set()
    end, at, together = time.thread_time() + SECONDS, 0, 1
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(QUERY, [[""], text])
        while at < len(names):
            start = time.thread_time()
            if start > end:
                raise InvalidInputError(f"{filter_name} takes more than {SECONDS:g} s: give a simpler expression")
            found.update(name for (name,) in connection.execute(QUERY, [names[at : at + together], text]).fetchall())
            at += together
            together = 2 * together if time.thread_time() - start < SECONDS_TOGETHER else 1
    return found
