"""The embedded store: one DuckDB file, one process."""

import re
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import duckdb
import numpy as np
from gosonde_common.clock import steady_unix_nano
from numpy.typing import NDArray

from gosonde_collector.evidence.context import ContentionProfile, HeapProfile
from gosonde_collector.evidence.model import HEAP, GoroutineProfile
from gosonde_collector.evidence.parse import Profile
from gosonde_collector.model.errors import DamagedStoreError, DiskFullError, StoreError
from gosonde_collector.model.values import (
    Batch,
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
    Stream,
)
from gosonde_collector.store import past, queries, rows
from gosonde_collector.store.migrations import prepare
from gosonde_collector.store.records import (
    Counters,
    Estimates,
    FindingRecord,
    GcColumns,
    Mute,
    Past,
    Running,
    Series,
    Snapshot,
    SnapshotHead,
    StateSeen,
    StoredProfile,
)
from gosonde_collector.store.writes import Known, pending_tables, run_of

FILE_NAME: Final = "gosonde.duckdb"
#: What DuckDB says of a file that another process has open.
IN_USE: Final = "Could not set lock"
#: What DuckDB says of files that are not as it wrote them.
DAMAGED: Final = re.compile(
    r"corrupt|checksum|not a valid DuckDB|could not read enough bytes|replaying WAL|deserializ|serialization",
    re.IGNORECASE,
)
#: More than any insert has.
ANALYZED_ROWS: Final = 1_000_000_000


class DuckDBStore:
    """Implements `protocol.Store`. Writers take turns; readers, each with a cursor of its own, wait for nobody."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, now: Callable[[], int]) -> None:
        self.min_free_bytes = 0
        self._now = now
        self._folder = folder
        self._connection = connection
        self._lock = threading.Lock()
        self._known = Known.load(connection)
        ((self._stored_unix_nano,),) = connection.execute(queries.NEWEST_STORED).fetchall()

    def append(self, batches: Sequence[Batch]) -> None:
        """See Store."""
        self._check_room()
        try:
            with self._transaction() as connection:
                # Also after a restart under a clock that was set back, what is stored later has a later time.
                self._stored_unix_nano = max(self._now(), self._stored_unix_nano + 1)
                for table, columns in pending_tables(batches, self._known, self._stored_unix_nano):
                    insert(connection, table, columns)
        except BaseException:
            self._reload()
            raise

    def acknowledged(self, stream: Stream) -> int:
        """See Store."""
        return self._known.sequences.get(run_of(stream), 0)

    def processes(self, which: ProcessFilter) -> list[KnownProcess]:
        """See Store."""
        return [
            rows.known_process(row) for row in self._select(queries.processes(which.all_runs), which.host, which.pid)
        ]

    def sites(self, which: ProcessFilter) -> list[SiteTotal]:
        """See Store."""
        return [rows.site_total(row) for row in self._select(queries.sites(which.all_runs), which.host, which.pid)]

    def keys(self, which: ProcessFilter) -> list[ProcessKey]:
        """See Store."""
        return [ProcessKey(*row) for row in self._select(queries.KEYS, which.host, which.pid)]

    def past(self, host: str, process: ProcessKey) -> Past | None:
        """See Store."""
        with _failures("read the store"), self._connection.cursor() as cursor:
            return past.read(cursor, host, process)

    def parks(self, which: ProcessFilter) -> list[ParkTotal]:
        """See Store."""
        return [rows.park_total(row) for row in self._select(queries.PARKS, which.host, which.pid)]

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
        return rows.gc_cycles(self._select(queries.GC_CYCLES, which.host, which.pid, limit))

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

    def add_snapshot(self, host: str, process: ProcessKey, taken_unix_nano: int, profile: Profile) -> str:
        """See Store."""
        self._check_room()
        snapshot_id = uuid.uuid4().hex
        moments = taken_unix_nano, self._now()
        head = (snapshot_id, host, *rows.key_values(process), *moments, profile.format, profile.kind)
        places = ", ".join("?" * len(head))
        with self._transaction() as connection:
            connection.execute(f"INSERT INTO snapshots VALUES ({places})", head)  # noqa: S608
            if isinstance(profile, GoroutineProfile):
                insert(connection, "snapshot_groups", rows.group_columns(snapshot_id, profile))
            else:
                insert(connection, "snapshot_samples", rows.sample_columns(snapshot_id, profile))
        return snapshot_id

    def snapshot_heads(self, most: int) -> list[SnapshotHead]:
        """See Store."""
        return [rows.snapshot_head(row) for row in self._select(queries.SNAPSHOT_HEADS, most)]

    def profiles(
        self, host: str, process: ProcessKey, most: int, profile_id: str = ""
    ) -> tuple[list[StoredProfile], int]:
        """See Store."""
        found = self._select(queries.PROFILES, host, *rows.key_values(process), profile_id, most)
        return [StoredProfile(*row[:-1]) for row in found], found[0][-1] if found else 0

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """See Store."""
        return rows.snapshot(self._select(queries.SNAPSHOT, snapshot_id))

    def states_seen(self, host: str, process: ProcessKey, line: int, most: int) -> list[StateSeen]:
        """See Store."""
        return list(
            map(rows.state_seen, self._select(queries.STATES_SEEN, host, *rows.key_values(process), line, most))
        )

    def first_seen(self, host: str, process: ProcessKey, line: int, goids: Sequence[int], most: int) -> dict[int, int]:
        """See Store."""
        return dict(self._select(queries.FIRST_SEEN, host, *rows.key_values(process), line, list(goids), most))

    def newest_heap(self, host: str, process: ProcessKey) -> HeapProfile | None:
        """See Store."""
        return rows.heap_profile(self._samples(host, process, HEAP))

    def newest_contention(self, host: str, process: ProcessKey, kind: str) -> ContentionProfile | None:
        """See Store."""
        return rows.contention_profile(kind, self._samples(host, process, kind))

    def _samples(self, host: str, process: ProcessKey, kind: str) -> list[tuple[Any, ...]]:
        return self._select(queries.NEWEST_SAMPLES, host, *rows.key_values(process), kind)

    def save_findings(self, findings: Sequence[FindingRecord]) -> None:
        """See Store."""
        if findings:
            self._check_room()
            with self._transaction() as connection:
                insert(connection, "findings", rows.finding_columns(findings))

    def findings(self) -> list[FindingRecord]:
        """See Store."""
        return [FindingRecord(*row) for row in self._select(queries.FINDINGS)]

    def save_mutes(self, mutes: Sequence[Mute]) -> None:
        """See Store."""
        self._check_room()
        with self._transaction() as connection:
            connection.execute("DELETE FROM mutes")
            if mutes:
                insert(connection, "mutes", rows.mute_columns(mutes))

    def mutes(self) -> list[Mute]:
        """See Store."""
        return [Mute(*row) for row in self._select(queries.MUTES)]

    def expire(self, before_unix_nano: int) -> None:
        """See Store."""
        with self._transaction() as connection:
            for statement in queries.EXPIRE:
                connection.execute(statement, {"before": before_unix_nano})
        self._reload()

    def checkpoint(self) -> None:
        """See Store."""
        if self.room():  # a database that runs out of room in the middle may give up altogether
            return
        with self._lock, _failures("write to the store"):
            self._connection.execute("CHECKPOINT")

    def size(self) -> int:
        """See Store."""
        ((used,),) = self._select("SELECT used_blocks * block_size FROM pragma_database_size()")
        return int(used)

    def free(self) -> int:
        """See Store."""
        try:
            return shutil.disk_usage(self._folder).free
        except OSError as error:
            raise StoreError(f"cannot examine the disk of {self._folder}: {error.strerror}") from error

    def room(self) -> str:
        """See Store."""
        free = self.free()
        if free >= self.min_free_bytes:
            return ""
        return (
            f"the disk of {self._folder} has {free >> 20} MiB left, less than min_free_mb "
            f"({self.min_free_bytes >> 20}); make room"
        )

    def backup(self) -> BinaryIO:
        """See Store."""
        if self.free() < self.min_free_bytes + self.size():
            raise DiskFullError(f"a backup needs {self.size() >> 20} MiB on the disk of {self._folder}; make room")
        path = self._folder.resolve() / f"backup-{uuid.uuid4().hex}.duckdb"
        try:
            with _failures("write a backup"), self._connection.cursor() as cursor:
                copy_to(cursor, path)
            return path.open("rb")
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """See Store."""
        with self._lock:
            self._connection.close()

    def _check_room(self) -> None:
        if reason := self.room():
            raise DiskFullError(reason)

    def _series(self, query: str, *values: object) -> list[Series]:
        with _failures("read the store"), self._connection.cursor() as cursor:
            cursor.begin()
            steps = cursor.execute(query, values).fetchnumpy()
            processes = rows.running(cursor.execute(queries.RUNNING).fetchall())
            cursor.commit()
        return rows.all_series(steps, processes, self._known.sites)

    def _columns(self, query: str, *values: object) -> dict[str, Any]:
        with _failures("read the store"), self._connection.cursor() as cursor:
            columns: dict[str, Any] = cursor.execute(query, values).fetchnumpy()
        return columns

    def _reload(self) -> None:
        with self._lock, _failures("read the store"):
            self._known = Known.load(self._connection)

    def _select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with _failures("read the store"), self._connection.cursor() as cursor:
            return cursor.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock, _failures("write to the store"):
            self._connection.begin()
            try:
                yield self._connection
                self._connection.commit()
            except BaseException:
                self._connection.rollback()
                raise


def open_store(folder: Path, now: Callable[[], int] = steady_unix_nano) -> DuckDBStore:
    """Opens the store in `folder`, which is made when it is not there. `now` is the clock of what is stored.

    Raises:
        DamagedStoreError: The files are not as they were written.
        StoreError: The folder cannot be used, another process has the store open, or it was written by another
            version of gosonde.
    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # others learn paths and functions from it
        for left in folder.glob("backup-*.duckdb*"):
            left.unlink(missing_ok=True)
        is_new = not path.exists()
        connection = duckdb.connect(str(path), config={"threads": 2})
    except OSError as error:
        raise StoreError(f"cannot use the data folder {folder}: {error.strerror}; name another with --data") from error
    except duckdb.IOException as error:
        if IN_USE in str(error):
            raise StoreError(
                f"the store {path} is open in another process: stop the other collector, or name another folder "
                f"with --data (to read it, ask the running collector)"
            ) from error
        raise _store_error(f"open the store {path}", error) from error
    except duckdb.Error as error:
        raise _store_error(f"open the store {path}", error) from error
    try:
        with _failures(f"prepare the store {path}"):
            # The type of a column of lists is found by looking at them: at all, for the others may be empty.
            connection.execute(f"SET GLOBAL pandas_analyze_sample = {ANALYZED_ROWS}")
            _confine(connection, folder)
            prepare(connection)
            if is_new:
                # The tables themselves are never only in the log.
                connection.execute("CHECKPOINT")
            return DuckDBStore(connection, folder, now)
    except BaseException:
        connection.close()
        raise


def _confine(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """No statement reaches any file outside of the folder, which backups need."""
    connection.execute(f"SET allowed_directories = ['{_quoted(folder.resolve())}/']")
    connection.execute("SET enable_external_access = false")


def copy_to(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Copies everything to a new file."""
    cursor.execute(f"ATTACH '{_quoted(path)}' AS copy")
    try:
        cursor.execute(f"COPY FROM DATABASE {FILE_NAME.removesuffix('.duckdb')} TO copy")
    finally:
        cursor.execute("DETACH copy")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def insert(connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, Any]) -> None:
    """Appends equally long numpy columns, by name, to a table."""
    connection.register("incoming", dict(columns))
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608
    finally:
        with suppress(duckdb.Error):  # it would hide what the insert failed for
            connection.unregister("incoming")


@contextmanager
def _failures(what: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise _store_error(what, error) from error


def _store_error(what: str, error: duckdb.Error) -> StoreError:
    if not DAMAGED.search(str(error)):
        return StoreError(f"cannot {what}: {error}")
    return DamagedStoreError(
        f"cannot {what}: the store is damaged. Stop the collector, then put a backup in its place, or keep what can be "
        f"read with `gosonde store salvage` (--data names the folder). What was found: {error}"
    )
