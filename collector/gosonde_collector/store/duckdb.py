"""The embedded store: one DuckDB file, one process."""

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import duckdb
from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.audit import AuditEvent

from gosonde_collector.evidence.escapes.model import Escapes
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.parse import Profile
from gosonde_collector.model.errors import DiskFullError, StoreError
from gosonde_collector.model.values import (
    Batch,
    ProcessKey,
    Stream,
)
from gosonde_collector.store import escape_outputs, newest_totals, queries, retention, rows
from gosonde_collector.store.failures import failures, store_error
from gosonde_collector.store.migrations import prepare
from gosonde_collector.store.reading import Reader
from gosonde_collector.store.records import (
    FindingRecord,
    Mute,
    Reported,
)
from gosonde_collector.store.writes import NO_AGENT, Known, audit_columns, audit_row, pending_tables, run_of

FILE_NAME: Final = "gosonde.duckdb"
#: What DuckDB says of a file that another process has open.
IN_USE: Final = "Could not set lock"
#: What clean-ups leave to others between two transactions, in seconds.
TURN_SECONDS: Final = 0.005
#: More than any insert has.
ANALYZED_ROWS: Final = 1_000_000_000


class DuckDBStore(Reader):
    """Implements `protocol.Store`. Writers take turns; readers, each with a cursor of its own, wait for nobody."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, now: Callable[[], int]) -> None:
        super().__init__(connection)
        self.min_free_bytes = 0
        self._now = now
        self._folder = folder
        self._lock = threading.Lock()
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
                if profile.labels or profile.hosts:
                    insert(connection, "snapshot_labels", rows.label_columns(snapshot_id, profile))
            else:
                insert(connection, "snapshot_samples", rows.sample_columns(snapshot_id, profile))
        return snapshot_id

    def save_escapes(self, build_id: str, found: Escapes) -> bool:
        """See Store."""
        self._check_room()
        with self._transaction() as connection:
            was_there = escape_outputs.delete(connection, build_id)
            for table, columns in escape_outputs.tables(build_id, self._now(), found):
                insert(connection, table, columns)
            escape_outputs.make_room(connection)
        return was_there

    def save_findings(self, findings: Sequence[FindingRecord]) -> None:
        """See Store."""
        if findings:
            self._check_room()
            with self._transaction() as connection:
                insert(connection, "findings", rows.finding_columns(findings))

    def save_mutes(self, mutes: Sequence[Mute]) -> None:
        """See Store."""
        self._check_room()
        with self._transaction() as connection:
            connection.execute("DELETE FROM mutes")
            if mutes:
                insert(connection, "mutes", rows.mute_columns(mutes))

    def save_reported(self, reported: Sequence[Reported]) -> None:
        """See Store."""
        self._check_room()
        with self._transaction() as connection:
            connection.execute("DELETE FROM reported")
            if reported:
                insert(connection, "reported", rows.reported_columns(reported))

    def add_audit(self, host: str, run: str, event: AuditEvent) -> None:
        """See Store."""
        self._check_room()
        with self._transaction() as connection:
            self._stored_unix_nano = max(self._now(), self._stored_unix_nano + 1)
            row = audit_row((host, NO_AGENT, run), event, self._stored_unix_nano)
            insert(connection, "audit", audit_columns([row]))

    def expire(
        self, before_unix_nano: int, minutes_unix_nano: int | None = None, hours_unix_nano: int | None = None
    ) -> None:
        """See Store. Whoever appends has a turn between any two transactions."""
        self._fold()
        for statements in retention.EXPIRE:
            with self._transaction() as connection:
                for statement in statements:
                    connection.execute(statement, {"before": before_unix_nano})
            time.sleep(TURN_SECONDS)
        for level in retention.levels(before_unix_nano, minutes_unix_nano, hours_unix_nano):
            while self._thin(level):
                time.sleep(TURN_SECONDS)
        self._reload()

    def _fold(self) -> None:
        with failures("write to the store"), self._connection.cursor() as cursor:
            folding = newest_totals.Folding(cursor)
            for number in range(folding.parts):
                with self._lock:
                    folding.write(number)
                time.sleep(TURN_SECONDS)

    def _thin(self, level: retention.Level) -> bool:
        """Whether there was anything to do."""
        with self._transaction() as connection:
            band = retention.next_band(connection, level)
            if band:
                retention.thin(connection, level, band)
        return band is not None

    def oldest(self) -> int:
        """See Store."""
        ((oldest,),) = self._select(queries.OLDEST_STORED)
        return self._now() if oldest is None else int(oldest)

    def checkpoint(self) -> None:
        """See Store."""
        if self.room():  # a database that runs out of room in the middle may give up altogether
            return
        with self._lock, failures("write to the store"):
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
            with failures("write a backup"), self._connection.cursor() as cursor:
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

    def _reload(self) -> None:
        with self._lock, failures("read the store"):
            self._known = Known.load(self._connection)

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock, failures("write to the store"):
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
        raise store_error(f"open the store {path}", error) from error
    except duckdb.Error as error:
        raise store_error(f"open the store {path}", error) from error
    try:
        with failures(f"prepare the store {path}"):
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
