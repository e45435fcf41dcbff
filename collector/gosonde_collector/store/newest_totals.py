# ruff: noqa: S608 - these statements are put together from constants of this file alone; values are always bound
"""The newest totals of each site, put together now and then, so that a question for them reads few of the rows.

The table `site_totals` has rows as `site_counters` has, each of which stands for all rows of its site up to a moment of
its process (`totals_until`). A row that is in both does no harm: of totals the highest counts, of the rest the newest.
"""

from typing import Final

import duckdb

#: The fold ends so long before the newest observation of a process: what is newer tells its rates.
RATES_NS: Final = 60_000_000_000
#: Sites whose totals one transaction writes, about; appends wait for it.
SITES: Final = 200_000
#: Earlier and later than everything.
EVER, NEVER = -(2**63), 2**63 - 1

#: All that is known of the sites of the processes in `chosen`: what was put together, and the rows from a moment on.
ROWS: Final = """
SELECT process, pc, sequence, taken_unix_nano, created, exited, baseline, mismatch FROM site_totals
WHERE process IN (SELECT process FROM chosen)
UNION ALL SELECT process, pc, sequence, taken_unix_nano, created, exited, baseline, mismatch FROM site_counters
WHERE taken_unix_nano >= {since} AND process IN (SELECT process FROM chosen)
"""

#: From when on rows of the processes in `chosen` are in `site_counters` alone: neither what came after the totals of a
#: process, nor, by whatever clock, what was stored after all were put together.
SINCE: Final = f"""
SELECT CASE WHEN (SELECT count(*) FROM totals_stored) = 0 THEN {EVER} ELSE least(
    coalesce((SELECT min(u.taken_unix_nano) FROM totals_until AS u JOIN chosen AS c ON c.process = u.process), {NEVER}),
    coalesce((
        SELECT min(b.taken_unix_nano) FROM batches AS b WHERE b.host IN (SELECT host FROM chosen)
        AND b.stored_unix_nano > (SELECT max(stored_unix_nano) FROM totals_stored)
    ), {NEVER})
) END
"""
_NEWEST: Final = "SELECT coalesce(max(stored_unix_nano), -1) FROM batches"
#: Those of which anything was stored since the last round.
_CHOSEN: Final = """
CREATE OR REPLACE TEMP TABLE chosen AS SELECT process, host, last_taken_unix_nano FROM all_processes
WHERE last_stored_unix_nano > (SELECT coalesce(max(stored_unix_nano), -1) FROM totals_stored)
"""
_FRESH: Final = f"""
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT t.process, t.pc, max(t.sequence) AS sequence, max(t.taken_unix_nano) AS taken_unix_nano,
    max(t.created) AS created, max(t.exited) AS exited, arg_max(t.baseline, t.sequence) AS baseline,
    arg_max(t.mismatch, t.sequence) AS mismatch
FROM ({ROWS.format(since="$1")}) AS t JOIN chosen AS c ON c.process = t.process
WHERE t.taken_unix_nano <= c.last_taken_unix_nano - {RATES_NS}
GROUP BY t.process, t.pc ORDER BY t.process
"""
_COUNT: Final = "SELECT count(*) FROM fresh"
_THESE: Final = "process % $parts = $number AND process IN (SELECT process FROM chosen)"
_REPLACE: Final = (
    f"DELETE FROM site_totals WHERE {_THESE}",
    f"INSERT INTO site_totals BY NAME SELECT * FROM fresh WHERE {_THESE}",
    f"DELETE FROM totals_until WHERE {_THESE}",
    f"""
INSERT INTO totals_until BY NAME
SELECT process, last_taken_unix_nano - {RATES_NS} AS taken_unix_nano FROM chosen WHERE process % $parts = $number
""",
)


class Folding:
    """One round. Nothing may expire before its end: the batches that say what is not put together have to be there.

    Attributes:
        parts: In how many transactions the tables are brought up to date.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Reads, and writes to temporary tables alone."""
        self._cursor = cursor
        cursor.begin()
        ((self._newest,),) = cursor.execute(_NEWEST).fetchall()
        cursor.execute(_CHOSEN)
        (since,) = cursor.execute(SINCE).fetchall()
        cursor.execute(_FRESH, since)
        ((sites,),) = cursor.execute(_COUNT).fetchall()
        cursor.commit()
        self.parts = 1 + int(sites) // SITES

    def write(self, number: int) -> None:
        """One of the transactions; that of the last part notes how far the round came."""
        self._cursor.begin()
        try:
            for statement in _REPLACE:
                self._cursor.execute(statement, {"parts": self.parts, "number": number})
            if number == self.parts - 1:
                self._cursor.execute("DELETE FROM totals_stored")
                self._cursor.execute("INSERT INTO totals_stored VALUES ($1)", [self._newest])
            self._cursor.commit()
        except BaseException:
            self._cursor.rollback()
            raise
