# ruff: noqa: S608 - these statements are put together from constants of this file alone; values are always bound
"""How the embedded store keeps less as it ages: details go, and of totals fewer and fewer stay.

Totals count from the beginning, so that the last one of a minute says what all in it said. Every transaction looks at a
few batches alone and notes how far it came, so that a crash between two of them loses and doubles nothing.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import duckdb

from gosonde_collector.store import escape_outputs

MINUTE_NS: Final = 60_000_000_000
HOUR_NS: Final = 60 * MINUTE_NS
#: A step that no time is longer than: one total stays of all.
EVER_NS: Final = 2**62
#: Batches that one transaction looks at, about; appends wait for it.
BATCHES: Final = 500

#: What is old was stored long ago: agents' clocks may be wrong. Of each run, the newest batch that is old.
_OLD_BATCHES: Final = """
SELECT host, agent_id, agent_epoch, max(sequence) AS newest FROM batches WHERE stored_unix_nano < $before
GROUP BY host, agent_id, agent_epoch
"""
_OLD_RUNS: Final = "SELECT host, agent_id, agent_epoch FROM runs WHERE last_stored_unix_nano < $before"
_OLD_PROCESSES: Final = """
SELECT process FROM all_processes
WHERE (ended_unix_nano > 0 AND told_unix_nano < $before) OR last_stored_unix_nano < $before
"""


def _of_processes(batches: str) -> str:
    """The processes of such runs, with what else stands with these."""
    return f"""
SELECT DISTINCT p.process, b.* EXCLUDE (host, agent_id, agent_epoch) FROM processes AS p JOIN ({batches}) AS b
ON b.host = p.host AND b.agent_id = p.agent_id AND b.agent_epoch = p.agent_epoch
"""


class Totals(NamedTuple):
    """A table of totals: what each is of, and by what whoever reported it is found."""

    table: str
    key: tuple[str, ...]
    owner: tuple[str, ...] = ("process",)


_RUN: Final = ("host", "agent_id", "agent_epoch")
#: Of which the last in each step stays.
THINNED: Final = (
    Totals("site_counters", ("process", "pc")),
    Totals("site_estimates", ("process", "pc")),
    Totals("park_counters", ("process", "wait_reason")),
    Totals("gc_totals", ("process",)),
    Totals("probe_costs", ("process",)),
    Totals("losses", ("agent_id", "agent_epoch", "name"), ("agent_id", "agent_epoch")),
    # The last: they say which rows of the others are old.
    Totals("batches", _RUN, _RUN),
)
#: Of which the newest alone stays.
NEWEST_STAYS: Final = (
    Totals("proofs", ("process", "pc")),
    Totals("holders", ("process", "pc")),
    Totals("searches", ("process",)),
    Totals("timer_readings", ("process",)),
    Totals("runtime_readings", ("process",)),
)


def _same(left: str, right: str, names: tuple[str, ...]) -> str:
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in names)


def _superseded(totals: Totals) -> str:
    """Deletes old rows, except the newest old one of each key: it still holds."""
    kept = ", ".join(f"t.{name}" for name in totals.key)
    return f"""
DELETE FROM {totals.table} AS stale USING (
    SELECT {kept}, max(t.sequence) AS sequence FROM {totals.table} AS t JOIN ({_of_processes(_OLD_BATCHES)}) AS o
    ON {_same("t", "o", totals.owner)} AND t.sequence <= o.newest GROUP BY {kept}
) AS kept WHERE {_same("stale", "kept", totals.key)} AND stale.sequence < kept.sequence
"""


def _events(table: str) -> str:
    """Deletes old events. Their sums are in gc_totals."""
    return f"""
DELETE FROM {table} AS stale USING ({_of_processes(_OLD_BATCHES)}) AS o
WHERE stale.process = o.process AND stale.sequence <= o.newest
"""


#: The groups of statements that delete what is of no more use. Each is a transaction of its own.
EXPIRE: Final = (
    tuple(
        f"DELETE FROM {table} WHERE process IN ({_OLD_PROCESSES})"
        for table in (
            *("site_counters", "park_counters", "gc_totals", "probe_costs", "pauses", "gc_cycles"),
            *("proofs", "holders", "searches", "site_estimates", "timer_readings", "runtime_readings"),
            *("site_totals", "totals_until", "processes"),
        )
    ),
    *((_superseded(totals),) for totals in NEWEST_STAYS),
    *((_events(table),) for table in ("pauses", "gc_cycles")),
    (
        *(
            f"DELETE FROM {table} WHERE snapshot_id IN "
            "(SELECT snapshot_id FROM snapshots WHERE stored_unix_nano < $before)"
            for table in ("snapshot_groups", "snapshot_samples", "snapshot_labels")
        ),
        *(f"DELETE FROM {table} WHERE stored_unix_nano < $before" for table in ("snapshots", "audit")),
        # Of a build that no process is of any more.
        """
DELETE FROM site_names WHERE stored_unix_nano < $before AND build_id NOT IN (SELECT build_id FROM processes)
""",
        *escape_outputs.EXPIRE,
        """
DELETE FROM findings AS old USING (SELECT id, max(updated_unix_nano) AS newest FROM findings GROUP BY id) AS kept
WHERE old.id = kept.id AND (old.updated_unix_nano < kept.newest OR kept.newest < $before)
""",
    ),
    (
        f"DELETE FROM losses WHERE (agent_id, agent_epoch) IN (SELECT agent_id, agent_epoch FROM ({_OLD_RUNS}))",
        f"DELETE FROM batches WHERE (host, agent_id, agent_epoch) IN ({_OLD_RUNS})",
    ),
)


class Level(NamedTuple):
    """Of what was stored before a moment, the last of each step stays."""

    step_ns: int
    before_unix_nano: int


def levels(before_unix_nano: int, minutes_unix_nano: int | None, hours_unix_nano: int | None) -> Iterator[Level]:
    """See Store.expire: those that say more than the next one."""
    minutes = before_unix_nano if minutes_unix_nano is None else min(minutes_unix_nano, before_unix_nano)
    hours = minutes if hours_unix_nano is None else min(hours_unix_nano, minutes)
    if minutes < before_unix_nano:
        yield Level(MINUTE_NS, before_unix_nano)
    if hours < minutes:
        yield Level(HOUR_NS, minutes)
    yield Level(EVER_NS, hours)


@dataclass(frozen=True, slots=True)
class Band:
    """Batches that were stored in a time: behind `low`, and up to `high`.

    Attributes:
        begin: When the step began that the earliest of them was taken in.
        earliest: When that was.
        latest: When the latest was taken.
    """

    low: int
    high: int
    begin: int
    earliest: int
    latest: int


_DONE: Final = "SELECT coalesce(max(stored_unix_nano), 0) FROM thinned WHERE step_ns = $step"
_BAND: Final = """
SELECT max(stored_unix_nano), min(taken_unix_nano), max(taken_unix_nano) FROM batches
WHERE stored_unix_nano > $low AND stored_unix_nano < $before AND stored_unix_nano <= (
    SELECT max(stored_unix_nano)
    FROM (SELECT stored_unix_nano FROM batches WHERE stored_unix_nano > $low ORDER BY stored_unix_nano LIMIT $most)
)
"""
_BATCHES: Final = """
SELECT host, agent_id, agent_epoch, min(sequence) AS first, max(sequence) AS newest FROM batches
WHERE stored_unix_nano > $low AND stored_unix_nano <= $high GROUP BY host, agent_id, agent_epoch
"""


def next_band(connection: duckdb.DuckDBPyConnection, level: Level) -> Band | None:
    """What has become old since it was last thinned, or the first of it; None when there is nothing."""
    ((low,),) = connection.execute(_DONE, {"step": level.step_ns}).fetchall()
    asked = {"low": low, "before": level.before_unix_nano, "most": BATCHES}
    ((high, earliest, latest),) = connection.execute(_BAND, asked).fetchall()
    if high is None:
        return None
    return Band(low, high, earliest // level.step_ns * level.step_ns, earliest, latest)


def thin(connection: duckdb.DuckDBPyConnection, level: Level, band: Band) -> None:
    """Leaves of the totals of a band the last one of each step, and notes that; within a transaction."""
    for totals in THINNED:
        connection.execute(_thinning(totals), {**asdict(band), "step": level.step_ns})
    connection.execute("DELETE FROM thinned WHERE step_ns = $step", {"step": level.step_ns})
    connection.execute("INSERT INTO thinned VALUES ($step, $high)", {"step": level.step_ns, "high": band.high})


def _thinning(totals: Totals) -> str:
    """Rows that a newer one of the same step stands for; what an earlier band left of that step is among them.

    The times keep the store from looking at what is newer, and at what is older than the step.
    """
    owned = _of_processes(_BATCHES) if totals.owner == ("process",) else _BATCHES
    kept = ", ".join(f"t.{name}" for name in totals.key)
    return f"""
DELETE FROM {totals.table} AS stale USING (
    SELECT {kept}, t.taken_unix_nano // $step AS part, max(t.sequence) AS sequence
    FROM {totals.table} AS t JOIN ({owned}) AS o
    ON {_same("t", "o", totals.owner)} AND t.sequence BETWEEN o.first AND o.newest
    WHERE t.taken_unix_nano BETWEEN $earliest AND $latest GROUP BY ALL
) AS kept
WHERE {_same("stale", "kept", totals.key)} AND stale.taken_unix_nano // $step = kept.part
    AND stale.sequence < kept.sequence AND stale.taken_unix_nano BETWEEN $begin AND $latest
"""
