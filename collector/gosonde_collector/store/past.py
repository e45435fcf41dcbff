# ruff: noqa: S608 - these statements are put together from constants of this file and of `queries` alone
"""Questions about one process in its last hour. Its counters are read once, for what is now and for what was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from gosonde_collector.model.values import ProcessKey, SiteTotal
from gosonde_collector.store import queries, rows
from gosonde_collector.store.records import PAUSES_NS, CostIn, HeapIn, Past, PausesIn

HOUR_NS: Final = 3_600_000_000_000
#: Of that time.
MOST_PARTS: Final = 32

#: Tables of the connection that asks.
THIS: Final = f"CREATE TEMP TABLE chosen AS {queries.THIS.format(columns='*')}"
NUMBER: Final = "(SELECT process FROM chosen)"


def _part(column: str) -> str:
    """In which part of the time something was: $1 is when the first one began, a part is 2 to the power of $2 long.

    That has half of the cost of another length, which one would have to divide by.
    """
    return f"greatest({column}, $1) >> $2"


#: The counters of each site in each part, and, of the last minute, apart: of what was before come the rates.
PARTS: Final = f"""
CREATE TEMP TABLE parts AS
SELECT process, pc, {_part("taken_unix_nano")} AS part, taken_unix_nano > $3 AS is_recent,
    max(taken_unix_nano) AS taken, max(created) AS created, max(exited) AS exited,
    max(sequence) AS sequence, arg_max(baseline, sequence) AS baseline
FROM site_counters WHERE process = $4 GROUP BY ALL
"""
TOTALS: Final = """
SELECT process, pc, max(created) AS created, max(exited) AS exited, arg_max(baseline, sequence) AS baseline
FROM parts GROUP BY process, pc
"""
#: As queries.TOTALS_AND_BEFORE.
TOTALS_AND_BEFORE: Final = """
SELECT c.process, c.pc, max(c.created) AS created, max(c.exited) AS exited,
    arg_max(c.baseline, c.sequence) AS baseline, max(c.taken) FILTER (was) AS taken,
    max(c.created) FILTER (was) AS created_before, max(c.exited) FILTER (was) AS exited_before
FROM (SELECT *, NOT is_recent AND process IN (SELECT process FROM moments) AS was FROM parts) AS c
GROUP BY c.process, c.pc
"""
#: In columns: what each site had at the end of each part in which it changed.
LIVE: Final = "SELECT pc, part, max(created) AS created, max(exited) AS exited FROM parts GROUP BY pc, part"
COSTS: Final = f"""
SELECT {_part("taken_unix_nano")}, arg_max(target_ppm, sequence), max(target_ppm)
FROM probe_costs WHERE process IN {NUMBER} GROUP BY 1 ORDER BY 1
"""
_STEP: Final = " + ".join(f"(duration_ns >= {least})::INTEGER" for least in PAUSES_NS[1:])
PAUSES: Final = f"""
SELECT {_part("start_unix_nano")}, {_STEP} AS step, count(DISTINCT ordinal) FROM pauses
WHERE process IN {NUMBER} AND start_unix_nano BETWEEN $1 AND $3 GROUP BY 1, 2 ORDER BY 1, 2
"""
HEAPS: Final = f"""
SELECT {_part("end_unix_nano")}, max(heap_before_bytes), arg_max(heap_marked_bytes, ordinal),
    arg_max(heap_goal_bytes, ordinal)
FROM gc_cycles
WHERE process IN {NUMBER} AND end_unix_nano BETWEEN $1 AND $3 AND (heap_before_bytes > 0 OR heap_after_bytes > 0)
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Grid:
    """Parts of a time, each 2 to the power of `shift` nanoseconds long, but the first and the last."""

    since: int
    until: int
    shift: int

    @property
    def first(self) -> int:
        """The number of the first part."""
        return self.since >> self.shift

    @property
    def ends(self) -> tuple[int, ...]:
        """The last nanosecond of each part."""
        last = self.until >> self.shift
        return *((number << self.shift) - 1 for number in range(self.first + 1, last + 1)), self.until

    def place(self, part: int) -> int:
        """The place of a part in `ends`; what is later than all of them is in the last."""
        return min(part, self.until >> self.shift) - self.first


def read(cursor: duckdb.DuckDBPyConnection, host: str, process: ProcessKey) -> Past | None:
    """See Store.past; `cursor` is closed afterwards, and everything is of one moment of the store."""
    cursor.begin()
    cursor.execute(THIS, (host, *rows.key_values(process)))
    times = cursor.execute(
        "SELECT process, counted_since_unix_nano, ended_unix_nano, last_taken_unix_nano FROM chosen"
    ).fetchone()
    if times is None:
        return None
    number, since, ended, seen = times
    grid = grid_of(since, ended or seen)
    cursor.execute(PARTS, (grid.since, grid.shift, max(seen, 0) - queries.RATES_NS, number))
    (known,) = cursor.execute(queries.processes_of(TOTALS)).fetchall()
    sites = list(map(rows.site_total, cursor.execute(queries.sites_of(TOTALS_AND_BEFORE)).fetchall()))
    begin, ends = (grid.since, grid.shift), grid.ends
    costs = cursor.execute(COSTS, begin).fetchall()
    pauses = cursor.execute(PAUSES, (*begin, grid.until)).fetchall()
    heaps = cursor.execute(HEAPS, (*begin, grid.until)).fetchall()
    return Past(
        rows.known_process(known),
        sites,
        grid.since,
        ends,
        _live(cursor, sites, grid),
        [CostIn(grid.place(part), *row) for part, *row in costs],
        [PausesIn(grid.place(part), *row) for part, *row in pauses],
        [HeapIn(grid.place(part), *row) for part, *row in heaps],
    )


def grid_of(since_unix_nano: int, until_unix_nano: int) -> Grid:
    """The hour up to a moment, or what there is of it since another, in at most MOST_PARTS parts."""
    until = max(until_unix_nano, 0)
    since = min(max(since_unix_nano, until - HOUR_NS, 0), until)
    shift = 0
    while (until >> shift) - (since >> shift) >= MOST_PARTS:
        shift += 1
    return Grid(since, until, shift)


def _live(cursor: duckdb.DuckDBPyConnection, sites: Sequence[SiteTotal], grid: Grid) -> NDArray[np.int64]:
    """See Past."""
    found = cursor.execute(LIVE).fetchnumpy()
    pcs = np.array([total.site.pc for total in sites], np.uint64)
    ordered = np.argsort(pcs)
    site = ordered[np.searchsorted(pcs[ordered], found["pc"])]  # the totals are of these rows: each pc is there
    created, exited = np.zeros((2, len(sites), len(grid.ends)), np.int64)
    place = site, np.minimum(found["part"] - grid.first, len(grid.ends) - 1)
    np.maximum.at(created, place, found["created"])
    np.maximum.at(exited, place, found["exited"])
    baseline = np.array([total.baseline for total in sites], np.int64)
    # What did not change has no row.
    live: NDArray[np.int64] = np.maximum.accumulate(created, axis=1) - np.maximum.accumulate(exited, axis=1)
    return live + baseline[:, None]
