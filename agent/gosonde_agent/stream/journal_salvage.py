"""What can still be read of a damaged spool: each place that cannot costs the segments there alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

#: Ids of segments that are tried one by one behind a damaged place.
MAX_TRIED = 100_000
RUNS = "INSERT INTO runs (run, agent_epoch, boot_id, host, stopped, resumed) VALUES (?, ?, ?, ?, ?, ?)"
SEGMENTS = "INSERT INTO segments (id, run, stored_boottime_ns, size, content) VALUES (?, ?, ?, ?, ?)"
RUN_TYPES = (int, str, str, str, int, int)
SEGMENT_TYPES = (int, int, int, int, bytes)
#: No number of a row that was ever written is higher.
MAX_NUMBER = 1 << 62
#: Where the highest number stands that was given.
LAST_RUN = ("SELECT max(run) FROM runs",)
LAST_SEGMENT = ("SELECT seq FROM sqlite_sequence WHERE name = 'segments'", "SELECT max(id) FROM segments")


def salvage(damaged: sqlite3.Connection, new: sqlite3.Connection) -> int:
    """Copies runs and segments with their numbers into the empty tables of a new file.

    Segments whose run cannot be read are left out.

    Returns:
        The number of damaged places, each of which held at least one row.

    Raises:
        sqlite3.Error: The new file does not take them.
    """
    new.execute("BEGIN")
    runs = Rows(damaged, "SELECT * FROM runs WHERE run > ? ORDER BY run LIMIT 1", LAST_RUN, RUN_TYPES)
    for row in runs:
        new.execute(RUNS, row)
    segments = Rows(damaged, "SELECT * FROM segments WHERE id > ? ORDER BY id LIMIT 1", LAST_SEGMENT, SEGMENT_TYPES)
    for row in segments:
        new.execute(SEGMENTS, row)
    # No number is given twice: those who take segments remember how far they have come.
    new.execute(SEGMENTS, (segments.last + 1, 0, 0, 0, b""))
    new.execute("DELETE FROM segments WHERE run NOT IN (SELECT run FROM runs)")
    new.execute("COMMIT")
    return runs.places + segments.places


class Rows:
    """The rows of a table that can be read, in ascending order.

    Attributes:
        last: The highest number that a row may have.
        places: Damaged places that were passed over.
    """

    def __init__(
        self, connection: sqlite3.Connection, following: str, last: tuple[str, ...], types: tuple[type, ...]
    ) -> None:
        self._connection = connection
        self._following = following
        self._types = types
        self.last = max((number for statement in last for number in self._numbers(statement)), default=0)
        self.places = 0

    def _numbers(self, statement: str) -> Iterator[int]:
        with suppress(sqlite3.Error):
            for (number,) in self._connection.execute(statement):
                if isinstance(number, int) and 0 < number < MAX_NUMBER:
                    yield number

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        after, was_sound = 0, True
        while True:
            row, is_sound = self._row(after)
            if row and is_sound:
                yield row
            elif is_sound:
                return
            self.places += was_sound and not is_sound
            # What cannot be found from the beginning is looked for near the end.
            after = row[0] if row else max(after + 1, self.last - MAX_TRIED)
            if not row and after >= self.last:
                return
            was_sound, self.last = is_sound, max(self.last, after)

    def _row(self, after: int) -> tuple[tuple[Any, ...] | None, bool]:
        """The next row, if its number can be read, and whether nothing is wrong with it."""
        try:
            row = self._connection.execute(self._following, (after,)).fetchone()
        except sqlite3.Error:
            return None, False
        if row is None:
            return None, True
        if not 0 < row[0] < MAX_NUMBER:
            return None, False
        return row, all(map(isinstance, row, self._types))
