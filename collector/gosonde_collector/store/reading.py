"""What the store is asked: each question is a query, and its rows become values."""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from gosonde_collector.evidence.context import ContentionProfile, HeapProfile
from gosonde_collector.evidence.model import HEAP
from gosonde_collector.model.values import (
    GcCycle,
    GcTotal,
    KnownProcess,
    Loss,
    ParkTotal,
    ProcessFilter,
    ProcessKey,
    Search,
    Site,
    SiteTotal,
)
from gosonde_collector.store import escape_outputs, newest_totals, past, queries, rows, snapshot_queries
from gosonde_collector.store.failures import failures
from gosonde_collector.store.records import (
    AuditRecord,
    Counters,
    EscapesRead,
    Estimates,
    FindingRecord,
    GcColumns,
    Mute,
    Past,
    Reported,
    Running,
    Series,
    Snapshot,
    SnapshotHead,
    StateSeen,
    StoredProfile,
    TimersRead,
)
from gosonde_collector.store.writes import Known


class Reader:
    """The questions of `protocol.Store`. Each has a cursor of its own, and waits for nobody."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known = Known.load(connection)

    def processes(self, which: ProcessFilter) -> list[KnownProcess]:
        """See Store."""
        return list(map(rows.known_process, self._totals(queries.PROCESSES, which)))

    def sites(self, which: ProcessFilter) -> list[SiteTotal]:
        """See Store."""
        return list(map(rows.site_total, self._totals(queries.SITES, which)))

    def keys(self, which: ProcessFilter) -> list[ProcessKey]:
        """See Store."""
        return [ProcessKey(*row) for row in self._chosen(queries.KEYS, which)]

    def past(self, host: str, process: ProcessKey) -> Past | None:
        """See Store."""
        with failures("read the store"), self._connection.cursor() as cursor:
            return past.read(cursor, host, process)

    def parks(self, which: ProcessFilter) -> list[ParkTotal]:
        """See Store."""
        return [rows.park_total(row) for row in self._chosen(queries.PARKS, which)]

    def clock_offsets(self) -> dict[str, int]:
        """See Store."""
        return dict(self._select(queries.CLOCK_OFFSETS))

    def gc_totals(self) -> list[GcTotal]:
        """See Store."""
        return [rows.gc_total(row) for row in self._select(queries.GC_TOTALS)]

    def losses(self) -> list[Loss]:
        """See Store."""
        return [Loss(*row) for row in self._select(queries.LOSSES)]

    def gc_cycles(self, which: ProcessFilter, limit: int) -> list[GcCycle]:
        """See Store."""
        return rows.gc_cycles(self._chosen(queries.GC_CYCLES, which, limit))

    def gc_columns(self, number: int, since_unix_nano: int) -> GcColumns:
        """See Store."""
        cycles, pauses = (self._columns(query, number, since_unix_nano) for query in (queries.CYCLES, queries.PAUSES))
        return rows.gc_columns(cycles, pauses)

    def heard(self, number: int, since_unix_nano: int) -> NDArray[np.int64]:
        """See Store."""
        return np.asarray(self._columns(queries.HEARD, number, since_unix_nano)["taken_unix_nano"], np.int64)

    def running(self) -> dict[int, Running]:
        """See Store."""
        return rows.running(self._select(queries.RUNNING))

    def searches(self) -> dict[int, Search]:
        """See Store."""
        searches = self._select(queries.SEARCHES)
        return rows.searches(searches, self._select(queries.PROOFS)) if searches else {}

    def search(self, host: str, process: ProcessKey) -> Search | None:
        """See Store."""
        values = host, *rows.key_values(process)
        found = self._select(queries.SEARCH, *values)
        searches = rows.searches(found, self._select(queries.SEARCH_PROOFS, *values)) if found else {}
        return next(iter(searches.values()), None)

    def timers(self, host: str, process: ProcessKey, lookback_ns: int) -> list[TimersRead]:
        """See Store."""
        found = self._select(queries.TIMERS, host, *rows.key_values(process), lookback_ns)
        return list(map(rows.timers_read, found))

    def newest_timers(self, within_ns: int) -> dict[int, TimersRead]:
        """See Store."""
        found = self._select(queries.NEWEST_TIMERS, within_ns)
        return {row[0]: rows.timers_read(row[1:]) for row in found}

    def base_counters(self, lookback_ns: int) -> Counters:
        """See Store."""
        ((stored,),) = self._select(queries.BASE_STORED, lookback_ns)
        return rows.counters(self._columns(queries.BASE_COUNTERS, lookback_ns), stored)

    def new_counters(self, stored_unix_nano: int, batches: int) -> Counters | None:
        """See Store."""
        ((last, earliest),) = self._select(queries.NEXT_BATCHES, stored_unix_nano, batches)
        if last is None:
            return None
        return rows.counters(self._columns(queries.NEW_COUNTERS, stored_unix_nano, last, earliest), last)

    def series(self, sites: Sequence[tuple[int, int]], lookback_ns: int) -> list[Series]:
        """See Store."""
        if not sites:
            return []
        numbers, pcs = zip(*sites, strict=True)
        return self._series(queries.SOME_STEPS, lookback_ns, list(numbers), list(pcs))

    def estimates(self, sites: Sequence[tuple[int, int]], lookback_ns: int) -> dict[tuple[int, int], Estimates]:
        """See Store."""
        if not sites:
            return {}
        numbers, pcs = map(list, zip(*sites, strict=True))
        return rows.all_estimates(self._columns(queries.SOME_ESTIMATES, lookback_ns, numbers, pcs))

    def site_names(self, build_id: str, pcs: Sequence[int]) -> list[Site]:
        """See Store."""
        return [self._known.sites.get((build_id, pc), Site(build_id, pc)) for pc in pcs]

    def site_series(self, host: str, process: ProcessKey, pc: int, lookback_ns: int) -> Series | None:
        """See Store."""
        found = self._series(queries.SITE_STEPS, lookback_ns, host, *rows.key_values(process), pc)
        return found[0] if found else None

    def snapshot_heads(self, most: int) -> list[SnapshotHead]:
        """See Store."""
        return [rows.snapshot_head(row) for row in self._select(snapshot_queries.SNAPSHOT_HEADS, most)]

    def profiles(
        self, host: str, process: ProcessKey, most: int, profile_id: str = ""
    ) -> tuple[list[StoredProfile], int]:
        """See Store."""
        found = self._select(snapshot_queries.PROFILES, host, *rows.key_values(process), profile_id, most)
        return [StoredProfile(*row[:-1]) for row in found], found[0][-1] if found else 0

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """See Store."""
        labels = self._select(snapshot_queries.SNAPSHOT_LABELS, snapshot_id)
        return rows.snapshot(self._select(snapshot_queries.SNAPSHOT, snapshot_id), labels)

    def states_seen(self, host: str, process: ProcessKey, line: int, most: int) -> list[StateSeen]:
        """See Store."""
        return list(
            map(
                rows.state_seen, self._select(snapshot_queries.STATES_SEEN, host, *rows.key_values(process), line, most)
            )
        )

    def first_seen(self, host: str, process: ProcessKey, line: int, goids: Sequence[int], most: int) -> dict[int, int]:
        """See Store."""
        return dict(self._select(snapshot_queries.FIRST_SEEN, host, *rows.key_values(process), line, most, list(goids)))

    def newest_heap(self, host: str, process: ProcessKey) -> HeapProfile | None:
        """See Store."""
        return rows.heap_profile(self._samples(host, process, HEAP))

    def newest_contention(self, host: str, process: ProcessKey, kind: str) -> ContentionProfile | None:
        """See Store."""
        return rows.contention_profile(kind, self._samples(host, process, kind))

    def _samples(self, host: str, process: ProcessKey, kind: str) -> list[tuple[Any, ...]]:
        return self._select(snapshot_queries.NEWEST_SAMPLES, host, *rows.key_values(process), kind)

    def escapes(self, build_id: str, names: Sequence[str]) -> EscapesRead | None:
        """See Store."""
        with failures("read the store"), self._connection.cursor() as cursor:
            return escape_outputs.read(cursor, build_id, names)

    def findings(self) -> list[FindingRecord]:
        """See Store."""
        return [FindingRecord(*row) for row in self._select(queries.FINDINGS)]

    def mutes(self) -> list[Mute]:
        """See Store."""
        return [Mute(*row) for row in self._select(queries.MUTES)]

    def reported(self) -> list[Reported]:
        """See Store."""
        return [Reported(*row) for row in self._select(queries.REPORTED)]

    def audit(self, which: ProcessFilter, since_unix_nano: int, limit: int) -> list[AuditRecord]:
        """See Store."""
        return list(map(rows.audit_record, self._select(queries.AUDIT, which.host, which.pid, since_unix_nano, limit)))

    def _totals(self, query: str, which: ProcessFilter) -> list[tuple[Any, ...]]:
        """Of a query with newest_totals.ROWS in it."""
        with failures("read the store"), self._connection.cursor() as cursor:
            cursor.begin()
            cursor.execute(queries.chosen(which.all_runs), (which.host, which.pid, *which.names))
            (since,) = cursor.execute(newest_totals.SINCE).fetchall()
            return cursor.execute(query, since).fetchall()

    def _chosen(self, query: str, which: ProcessFilter, *values: object) -> list[tuple[Any, ...]]:
        """Of a query with queries.CHOSEN in it."""
        return self._select(query, which.host, which.pid, *which.names, *values)

    def _series(self, query: str, *values: object) -> list[Series]:
        with failures("read the store"), self._connection.cursor() as cursor:
            cursor.begin()
            steps = cursor.execute(query, values).fetchnumpy()
            processes = rows.running(cursor.execute(queries.RUNNING).fetchall())
            cursor.commit()
        return rows.all_series(steps, processes, self._known.sites)

    def _columns(self, query: str, *values: object) -> dict[str, Any]:
        with failures("read the store"), self._connection.cursor() as cursor:
            columns: dict[str, Any] = cursor.execute(query, values).fetchnumpy()
        return columns

    def _select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with failures("read the store"), self._connection.cursor() as cursor:
            return cursor.execute(query, values).fetchall()
