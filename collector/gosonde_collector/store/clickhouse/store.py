"""The store in a ClickHouse server."""

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import UnsupportedError
from gosonde_common.values.audit import AuditEvent

from gosonde_collector.evidence.escapes.model import Escapes
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.parse import Profile
from gosonde_collector.model.errors import DiskFullError, StoreError
from gosonde_collector.model.values import Batch, Columns, ProcessKey, Site, Stream
from gosonde_collector.store import escape_outputs, rows
from gosonde_collector.store.clickhouse import retention
from gosonde_collector.store.clickhouse.filling import RUN, newest
from gosonde_collector.store.clickhouse.schema import prepare
from gosonde_collector.store.clickhouse.server import Server
from gosonde_collector.store.clickhouse.snapshot_questions import Questions
from gosonde_collector.store.clickhouse.writing import Hosts, Lists, in_order, lists_of
from gosonde_collector.store.records import FindingRecord, Mute, Reported
from gosonde_collector.store.writes import NO_AGENT, Known, audit_columns, audit_row, pending_tables, run_of

#: Rows that say nothing: one is in each set, so that an empty one is there too.
NO_MUTE: Final = Mute("", "", "", "", "", 0, 0)
NOTHING_REPORTED: Final = Reported("", "", "")


class ClickHouseStore(Questions):
    """Implements `protocol.Store`. Writers of one collector take turns.

    There are no transactions. What belongs together is written part by part, and in the end comes the row that makes it
    count: the batch's, the snapshot's, the output's. So a failure in the middle leaves what nobody sees; when the same
    batch comes again its rows are there twice, and each (process, sequence, key) counts once in every answer.
    """

    def __init__(self, server: Server, now: Callable[[], int]) -> None:
        super().__init__(server)
        self.min_free_bytes = 0
        self._now = now
        self._lock = threading.Lock()
        self._known = self._read_known()
        self._is_known = True
        ((self._stored_unix_nano,),) = server.rows("SELECT max(stored_unix_nano) FROM batches")

    def append(self, batches: Sequence[Batch]) -> None:
        """See Store."""
        with self._lock:
            self._check_room()
            if not self._is_known:  # it is not known whether what was written last is there
                self._known, self._is_known = self._read_known(), True
            sequences = dict(self._known.sequences)
            try:
                self._append(batches)
            except BaseException:
                self._known, self._is_known = Known(sequences), False
                raise

    def _append(self, batches: Sequence[Batch]) -> None:
        self._stored_unix_nano = stored = max(self._now(), self._stored_unix_nano + 1)
        hosts = Hosts(batches)
        tables = {
            table: lists_of(table, columns, stored, hosts)
            for table, columns in pending_tables(batches, self._known, stored)
        }
        if tables:
            for table, lists in in_order(tables, "batches"):
                self._server.insert(table, lists)

    def acknowledged(self, stream: Stream) -> int:
        """See Store."""
        return self._known.sequences.get(run_of(stream), 0)

    def add_snapshot(self, host: str, process: ProcessKey, taken_unix_nano: int, profile: Profile) -> str:
        """See Store."""
        self._check_room()
        snapshot_id, now = uuid.uuid4().hex, self._now()
        parts = {}
        if isinstance(profile, GoroutineProfile):
            parts["snapshot_groups"] = rows.group_columns(snapshot_id, profile)
            if profile.labels or profile.hosts:
                parts["snapshot_labels"] = rows.label_columns(snapshot_id, profile)
        else:
            parts["snapshot_samples"] = rows.sample_columns(snapshot_id, profile)
        for table, columns in parts.items():
            if len(columns["snapshot_id"]):
                self._server.insert(table, lists_of(table, columns, now, host))
        head = rows.snapshot_head_columns(
            snapshot_id, host, process, (taken_unix_nano, now), (profile.format, profile.kind)
        )
        self._server.insert("snapshots", lists_of("snapshots", head, now))
        return snapshot_id

    def save_escapes(self, build_id: str, found: Escapes) -> bool:
        """See Store."""
        self._check_room()
        with self._outputs() as filling:
            was_there = filling.rows("SELECT 1 FROM escape_outputs WHERE build_id = $1", build_id)
        now = self._now()
        tables: dict[str, Lists] = {}
        for table, columns in escape_outputs.tables(build_id, now, found):
            tables[table] = lists_of(table, columns, now)
        if "escapes" in tables:
            tables["escapes"]["stored_unix_nano"] = [now] * len(tables["escapes"]["build_id"])
        for table, lists in in_order(tables, "escape_outputs"):
            self._server.insert(table, lists)
        return bool(was_there)

    def save_findings(self, findings: Sequence[FindingRecord]) -> None:
        """See Store."""
        if findings:
            self._check_room()
            self._server.insert("findings", lists_of("findings", rows.finding_columns(findings), self._now()))

    def save_mutes(self, mutes: Sequence[Mute]) -> None:
        """See Store."""
        self._replace("mutes", rows.mute_columns([*mutes, NO_MUTE]))

    def save_reported(self, reported: Sequence[Reported]) -> None:
        """See Store."""
        self._replace("reported", rows.reported_columns([*reported, NOTHING_REPORTED]))

    def _replace(self, table: str, columns: Columns) -> None:
        """Stores a set in place of the one before: in one block, so as a whole."""
        with self._lock:
            self._check_room()
            ((last,),) = self._server.rows(f"SELECT max(stored_unix_nano) FROM {table}")  # noqa: S608 - a constant
            now = max(self._now(), last + 1)
            lists = lists_of(table, columns, now)
            count = len(lists["hour"])
            own = {"stored_unix_nano": [now] * count, "position": list(range(count))}
            self._server.insert(table, {**lists, **own})

    def add_audit(self, host: str, run: str, event: AuditEvent) -> None:
        """See Store."""
        with self._lock:
            self._check_room()
            self._stored_unix_nano = stored = max(self._now(), self._stored_unix_nano + 1)
            columns = audit_columns([audit_row((host, NO_AGENT, run), event, stored)])
            self._server.insert("audit", lists_of("audit", columns, stored))

    def expire(
        self, before_unix_nano: int, minutes_unix_nano: int | None = None, hours_unix_nano: int | None = None
    ) -> None:
        """See Store."""
        minutes = before_unix_nano if minutes_unix_nano is None else min(minutes_unix_nano, before_unix_nano)
        hours = minutes if hours_unix_nano is None else min(hours_unix_nano, minutes)
        with self._lock:
            if retention.expire(self._server, before_unix_nano, hours):
                self._is_known = False

    def oldest(self) -> int:
        """See Store."""
        ((number, oldest),) = self._server.rows("SELECT count(), min(stored_unix_nano) FROM batches")
        return int(oldest) if number else self._now()

    def checkpoint(self) -> None:
        """See Store. There is no log: each insert is where it belongs."""

    def size(self) -> int:
        """See Store."""
        ((size,),) = self._server.rows(
            "SELECT sum(bytes) FROM system.parts WHERE database = %(name)s AND active", name=self._server.database
        )
        return int(size)

    def free(self) -> int | None:
        """See Store. Servers before 19.15 do not report it."""
        if not self._server.rows("SELECT 1 FROM system.tables WHERE database = 'system' AND name = 'disks'"):
            return None
        ((free,),) = self._server.rows("SELECT min(free_space) FROM system.disks")
        return int(free)

    def room(self) -> str:
        """See Store."""
        try:
            return self._want_of_room()
        except StoreError as error:
            return str(error)

    def _want_of_room(self) -> str:
        free = self.free()
        if free is None or free >= self.min_free_bytes:
            return ""
        return (
            f"the disk of ClickHouse at {self._server.where} has {free >> 20} MiB left, less than min_free_mb "
            f"({self.min_free_bytes >> 20}); make room"
        )

    def backup(self) -> BinaryIO:
        """See Store."""
        raise UnsupportedError(
            f"the store is in ClickHouse at {self._server.where}: back it up there, with its BACKUP statement or with "
            "ALTER TABLE ... FREEZE"
        )

    def close(self) -> None:
        """See Store."""
        self._server.close()

    def _check_room(self) -> None:
        if reason := self._want_of_room():
            raise DiskFullError(reason)

    def _read_known(self) -> Known:
        sequences = self._server.rows(f"SELECT {RUN}, max(sequence) FROM batches GROUP BY {RUN}")  # noqa: S608 - a constant
        columns = newest("site_names", "build_id", "pc", by="stored_unix_nano")
        names = self._server.rows(f"SELECT {columns} FROM site_names GROUP BY build_id, pc")  # noqa: S608 - constants
        sites = (Site(*row[:-1]) for row in names)
        return Known({tuple(run): top for *run, top in sequences}, {}, {(one.build_id, one.pc): one for one in sites})


def open_clickhouse(server: Server, now: Callable[[], int] = steady_unix_nano) -> ClickHouseStore:
    """Opens the store in a database, which is made with its tables when it is not there.

    Raises:
        StoreError: No server answers, the user is refused, or the tables are of a newer version of gosonde.
    """
    server.make_database()
    prepare(server)
    return ClickHouseStore(server, now)
