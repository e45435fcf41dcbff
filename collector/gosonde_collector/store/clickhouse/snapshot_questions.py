"""What is asked of snapshots, outputs of compilers, findings, mutes and acts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from gosonde_collector.evidence.context import ContentionProfile, HeapProfile
from gosonde_collector.evidence.model import HEAP
from gosonde_collector.model.values import ProcessFilter, ProcessKey
from gosonde_collector.store import escape_outputs, queries, rows
from gosonde_collector.store.clickhouse.filling import Filling, newest
from gosonde_collector.store.clickhouse.finding_questions import FindingQuestions
from gosonde_collector.store.clickhouse.server import Given
from gosonde_collector.store.clickhouse.tables import COLUMNS
from gosonde_collector.store.queries import LARGEST
from gosonde_collector.store.reading import Reader
from gosonde_collector.store.records import (
    AuditRecord,
    EscapesRead,
    FindingRecord,
    Mute,
    Reported,
    Snapshot,
    SnapshotHead,
    StateSeen,
    StoredProfile,
)

HEADS: Final = f"SELECT {', '.join(COLUMNS['snapshots'])} FROM snapshots"  # noqa: S608 - constants
NEWEST_FIRST: Final = "ORDER BY taken_unix_nano DESC, stored_unix_nano DESC LIMIT %(most)s"
#: Of the DuckDB.
NEWEST_HEADS: Final = """
SELECT host, snapshot_id FROM snapshots ORDER BY taken_unix_nano DESC, stored_unix_nano DESC LIMIT $1
"""
ITS: Final = """host = %(host)s AND boot_id = %(boot_id)s AND pid = %(pid)s AND start_ticks = %(start_ticks)s
AND exec_epoch = %(exec_epoch)s"""
PARTS: Final = "host IN (SELECT host FROM heads) AND snapshot_id IN (SELECT snapshot_id FROM heads)"
#: Of a snapshot's groups what is asked of many of them.
SEEN: Final = (
    *("snapshot_id", "created_function", "created_file", "created_line"),
    *("state", "goroutines", "goids"),
)
#: Of an act the row that came first, in the order of rows.audit_record.
FIRST_ACT: Final = ", ".join(
    f"argMin({name}, stored_unix_nano)" for name in ("at_unix_nano", "act", "actor", "who", "pid", "exe", "detail")
)
AUDIT: Final = f"""
SELECT host, agent_id, agent_epoch, min(stored_unix_nano), ordinal, {FIRST_ACT} FROM audit
WHERE (%(host)s = '' OR host = %(host)s)
GROUP BY host, agent_id, agent_epoch, ordinal
HAVING min(stored_unix_nano) >= %(since)s AND (%(pid)s = 0 OR argMin(pid, stored_unix_nano) = %(pid)s)
ORDER BY min(stored_unix_nano) DESC, agent_epoch, ordinal DESC, host, agent_id LIMIT %(limit)s
"""  # noqa: S608 - constants
#: What was stored last in a table that is replaced as a whole.
LAST: Final = "WHERE stored_unix_nano = (SELECT max(stored_unix_nano) FROM {table}) ORDER BY position"


class Questions(FindingQuestions):
    """The questions of `protocol.Store`."""

    def snapshot_heads(self, most: int) -> list[SnapshotHead]:
        """See Store."""
        with self._filling() as filling:
            filling.fill(
                "snapshots",
                f"{HEADS} ORDER BY taken_unix_nano DESC, stored_unix_nano DESC LIMIT %(most)s "
                "BY host, boot_id, pid, start_ticks, exec_epoch, kind, format = 'memory'",
                most=most,
            )
            return Reader(filling.connection).snapshot_heads(most)

    def profiles(
        self, host: str, process: ProcessKey, most: int, profile_id: str = ""
    ) -> tuple[list[StoredProfile], int]:
        """See Store."""
        with self._its(host, process, "AND (%(id)s = '' OR snapshot_id = %(id)s)", id=profile_id) as filling:
            self._fill_parts(filling, "snapshot_groups", ("snapshot_id", "goroutines"), most=most)
            return Reader(filling.connection).profiles(host, process, most, profile_id)

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """See Store."""
        with self._filling() as filling:
            filling.fill("snapshots", f"{HEADS} WHERE snapshot_id = %(id)s", id=snapshot_id)
            for table in ("snapshot_groups", "snapshot_labels"):
                self._fill_parts(filling, table, tuple(COLUMNS[table]))
            return Reader(filling.connection).snapshot(snapshot_id)

    def states_seen(self, host: str, process: ProcessKey, line: int, most: int) -> list[StateSeen]:
        """See Store."""
        with self._seen(host, process, line, most) as filling:
            return Reader(filling.connection).states_seen(host, process, line, most)

    def first_seen(self, host: str, process: ProcessKey, line: int, goids: Sequence[int], most: int) -> dict[int, int]:
        """See Store."""
        with self._seen(host, process, line, most) as filling:
            return Reader(filling.connection).first_seen(host, process, line, goids, most)

    def newest_heap(self, host: str, process: ProcessKey) -> HeapProfile | None:
        """See Store."""
        with self._newest_samples(host, process, HEAP) as filling:
            return Reader(filling.connection).newest_heap(host, process)

    def newest_contention(self, host: str, process: ProcessKey, kind: str) -> ContentionProfile | None:
        """See Store."""
        with self._newest_samples(host, process, kind) as filling:
            return Reader(filling.connection).newest_contention(host, process, kind)

    def escapes(self, build_id: str, names: Sequence[str]) -> EscapesRead | None:
        """See Store."""
        with self._outputs() as filling:
            heads = filling.rows("SELECT stored_unix_nano FROM escape_outputs WHERE build_id = $1", build_id)
            if not heads:
                return None
            filling.fill(
                "escapes",
                f"SELECT {', '.join(COLUMNS['escapes'])} FROM escapes "  # noqa: S608 - constants
                "WHERE build_id = %(build)s AND stored_unix_nano = %(stored)s AND base IN (SELECT base FROM asked)",
                Given("asked", {"base": "String"}, [(name,) for name in names]),
                build=build_id,
                stored=heads[0][0],
            )
            with filling.connection.cursor() as cursor:
                return escape_outputs.read(cursor, build_id, names)

    def findings(self) -> list[FindingRecord]:
        """See Store."""
        columns = newest("findings", "id", by="updated_unix_nano")
        return [FindingRecord(*row) for row in self._server.rows(f"SELECT {columns} FROM findings GROUP BY id")]  # noqa: S608

    def mutes(self) -> list[Mute]:
        """See Store."""
        found = [Mute(*row) for row in self._server.rows(f"{queries.MUTES} {LAST.format(table='mutes')}")]
        return [mute for mute in found if any(mute.covers)]

    def reported(self) -> list[Reported]:
        """See Store."""
        found = [Reported(*row) for row in self._server.rows(f"{queries.REPORTED} {LAST.format(table='reported')}")]
        return [one for one in found if one.finding]

    def audit(self, which: ProcessFilter, since_unix_nano: int, limit: int) -> list[AuditRecord]:
        """See Store."""
        found = self._server.rows(AUDIT, host=which.host, pid=which.pid, since=since_unix_nano, limit=limit)
        return list(map(rows.audit_record, found))

    @contextmanager
    def _outputs(self) -> Iterator[Filling]:
        """With the outputs of compilers that there is room for."""
        with self._filling() as filling:
            columns = newest("escape_outputs", "build_id", by="stored_unix_nano")
            filling.fill("escape_outputs", f"SELECT {columns} FROM escape_outputs GROUP BY build_id")  # noqa: S608
            escape_outputs.make_room(filling.connection)
            yield filling

    @contextmanager
    def _its(
        self,
        host: str,
        process: ProcessKey,
        where: str,
        end: str = "",
        **values: Any,  # noqa: ANN401 - whatever a column holds
    ) -> Iterator[Filling]:
        names = ("boot_id", "pid", "start_ticks", "exec_epoch")
        key: dict[str, Any] = dict(zip(names, rows.key_values(process), strict=True))
        with self._filling() as filling:
            filling.fill("snapshots", f"{HEADS} WHERE {ITS} {where} {end}", host=host, **key, **values)
            yield filling

    @contextmanager
    def _seen(self, host: str, process: ProcessKey, line: int, most: int) -> Iterator[Filling]:
        with self._its(host, process, "AND format = 'memory'", NEWEST_FIRST, most=most) as filling:
            self._fill_parts(filling, "snapshot_groups", SEEN, where="AND created_line = %(line)s", line=line)
            yield filling

    @contextmanager
    def _newest_samples(self, host: str, process: ProcessKey, kind: str) -> Iterator[Filling]:
        with self._its(host, process, "AND kind = %(kind)s", NEWEST_FIRST, kind=kind, most=1) as filling:
            self._fill_parts(filling, "snapshot_samples", tuple(COLUMNS["snapshot_samples"]))
            yield filling

    def _fill_parts(
        self,
        filling: Filling,
        table: str,
        names: Sequence[str],
        *,
        where: str = "",
        most: int = LARGEST,
        **values: Any,  # noqa: ANN401 - whatever a column holds
    ) -> None:
        """Adds what belongs to the newest `most` snapshots of those that are there."""
        if heads := filling.rows(NEWEST_HEADS, most):
            given = Given("heads", {"host": "String", "snapshot_id": "String"}, heads)
            query = f"SELECT {', '.join(names)} FROM {table} WHERE {PARTS} {where}"  # noqa: S608 - constants
            filling.fill(table, query, given, names=names, **values)
