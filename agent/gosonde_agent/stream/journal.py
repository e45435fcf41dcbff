"""What no collector has acknowledged yet, on disk: one SQLite file, in which each run of the agent has its segments.

A segment is one observation that holds only what changed. ADR 0050 says why, and what happens when the file is full. A
run that begins on a disk that takes nothing keeps its segments in memory.
"""

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import structlog
from gosonde_common.clock import boottime_ns
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.observation import Observation

from gosonde_agent.model.errors import SpoolError
from gosonde_agent.model.trail import DROPPED as AUDIT_DROPPED
from gosonde_agent.stream import segments
from gosonde_agent.stream.journal_file import JournalFile, last_run
from gosonde_agent.wire.pack import pack, unpack

log = structlog.get_logger(__name__)

FILE_NAME = "spool.db"
#: Loss counters that the journal keeps.
EVENTS_DROPPED = "uplink_events_dropped"
PROCESSES_DROPPED = "uplink_processes_dropped"
DAMAGED = "spool_places_damaged"

#: What the segments take at most where the disk takes none: the agent's memory is bounded too.
BYTES_IN_MEMORY = 16 << 20
#: From this part of the limit on, old segments are joined, a few with each new one; only the whole limit makes drops.
COMPACT_FROM = 0.75
JOINS_PER_APPEND = 4
#: Between two looks for what is too old, in seconds.
EXPIRE_SECONDS = 60.0


class PreviousEnd(StrEnum):
    """How the run before this one ended."""

    NONE = "none"
    STOPPED = "stopped"
    KILLED = "killed"
    REBOOTED = "rebooted"


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much the journal holds.

    Attributes:
        bytes: Of all segments together, as stored.
        age_seconds: Since a segment was stored.
    """

    bytes: int = 64 << 20
    age_seconds: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the agent. `number` grows from run to run; `resumed` counts the runs that went on delivering it."""

    number: int
    agent_epoch: str
    host: str
    resumed: int


LIMITS = JournalLimits()


class Journal:
    """Runs and their segments, kept in memory when there is no path, or when the disk takes nothing at the start.

    Every method raises SpoolError when the disk fails later; what was stored before stays.

    Raises:
        UnavailableError: Another agent has the file open.
        UnsupportedError: A newer agent wrote the file.
    """

    def __init__(self, boot_id: str, path: Path | None = None, limits: JournalLimits = LIMITS) -> None:
        self._boot_id = boot_id
        self._path = path
        self._limits = limits
        self._losses = {EVENTS_DROPPED: 0, PROCESSES_DROPPED: 0, DAMAGED: 0, AUDIT_DROPPED: 0}
        #: The disk took nothing when the run began: the segments are in memory.
        self.is_without_disk = False
        #: The file itself, of which a test takes the space away.
        self.file = self._opened(path)
        self.file.on_repair = self._repaired
        self._present: Run | None = None
        #: Segments that were dropped whole, or could not be read, since the start.
        self.dropped_segments = 0
        self._bytes = self._stored_bytes()
        self._joined_up_to = 0
        # The segment that was appended last, so that it need not be read back.
        self._newest = 0, Observation(0)
        self._expired_at = time.monotonic()

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return self._bytes

    def losses(self) -> dict[str, int]:
        """What had to be dropped, by name, since the start."""
        return {**self._losses, DAMAGED: self._losses[DAMAGED] + self.file.damaged}

    def begin(self, agent_epoch: str, host: str) -> tuple[Run, PreviousEnd, list[Run]]:
        """A new run, how the one before ended, and the runs that left segments behind, the oldest first."""
        try:
            return self._begun(agent_epoch, host)
        except SpoolError as error:
            if self._path is None or self.is_without_disk:
                raise
            self.file.close()
            self._losses[DAMAGED] += self.file.damaged
            self.file = self._in_memory(self._path, error)
            self._bytes = 0
            return self._begun(agent_epoch, host)

    def _opened(self, path: Path | None) -> JournalFile:
        try:
            return JournalFile(path)
        except SpoolError as error:
            if path is None:
                raise
            return self._in_memory(path, error)

    def _in_memory(self, path: Path, error: SpoolError) -> JournalFile:
        """A journal that goes on behind the last run that can be read from the file."""
        log.error(
            "the disk of the spool takes nothing: until the next start, what waits for a collector is in memory, and "
            "what former runs left stays on disk; make room and restart",
            spool=str(path),
            memory_mb=BYTES_IN_MEMORY >> 20,
            reason=str(error),
        )
        self.is_without_disk = True
        self._limits = replace(self._limits, bytes=min(self._limits.bytes, BYTES_IN_MEMORY))
        file = JournalFile(None)
        for row in last_run(path):
            file.rows("INSERT INTO runs (run, agent_epoch, boot_id, host, stopped) VALUES (?, ?, ?, ?, ?)", *row)
        return file

    def _begun(self, agent_epoch: str, host: str) -> tuple[Run, PreviousEnd, list[Run]]:
        with self.file.transaction():
            end = self._previous_end()
            self.file.rows("DELETE FROM runs WHERE run NOT IN (SELECT run FROM segments)")
            self.file.rows("UPDATE runs SET resumed = resumed + 1")
            left = self.file.rows("SELECT run, agent_epoch, host, resumed FROM runs ORDER BY run")
            self.file.rows(
                "INSERT INTO runs (agent_epoch, boot_id, host) VALUES (?, ?, ?)", agent_epoch, self._boot_id, host
            )
            ((number,),) = self.file.rows("SELECT max(run) FROM runs")
        self._present = Run(number, agent_epoch, host, 0)
        return self._present, end, [Run(*row) for row in left]

    def _repaired(self) -> None:
        """The file was damaged, and holds what could be read of it."""
        if self._present:
            statement = "INSERT OR IGNORE INTO runs (run, agent_epoch, boot_id, host) VALUES (?, ?, ?, ?)"
            run = self._present
            self.file.rows(statement, run.number, run.agent_epoch, self._boot_id, run.host)
        self._newest = 0, Observation(0)
        self._bytes = self._stored_bytes()
        self.dropped_segments += 1

    def stop(self, run: Run) -> None:
        """The run ends in order."""
        self.file.rows("UPDATE runs SET stopped = 1 WHERE run = ?", run.number)

    def append(self, run: Run, segment: Observation) -> int:
        """Stores a segment behind all others and returns its id.

        Raises:
            ValueError: As `wire.encoding.encode`.
        """
        content = pack(segment)
        ((identifier,),) = self.file.rows(
            "INSERT INTO segments (run, stored_boottime_ns, size, content) VALUES (?, ?, ?, ?) RETURNING id",
            *(run.number, boottime_ns(), len(content), content),
        )
        self._bytes += len(content)
        self._newest = int(identifier), segment
        self._make_room(run)
        return int(identifier)

    def next(self, run: Run, after: int) -> tuple[int, Observation] | None:
        """The oldest segment of the run behind the id `after`."""
        for (identifier,) in self.file.rows(
            "SELECT id FROM segments WHERE run = ? AND id > ? ORDER BY id LIMIT 1", run.number, after
        ):
            return int(identifier), self._segment(identifier)
        return None

    def has(self, run: Run, after: int) -> bool:
        """Whether the run has a segment behind the id."""
        return bool(self.file.rows("SELECT 1 FROM segments WHERE run = ? AND id > ? LIMIT 1", run.number, after))

    def acknowledge(self, run: Run, up_to: int) -> None:
        """Every segment of the run up to this id is stored elsewhere."""
        self._delete("run = ? AND id <= ?", run.number, up_to)

    def close(self) -> None:
        """Closes the file."""
        self.file.close()

    def _previous_end(self) -> PreviousEnd:
        for boot_id, stopped in self.file.rows("SELECT boot_id, stopped FROM runs ORDER BY run DESC LIMIT 1"):
            if stopped:
                return PreviousEnd.STOPPED
            return PreviousEnd.KILLED if boot_id == self._boot_id else PreviousEnd.REBOOTED
        return PreviousEnd.NONE

    def _make_room(self, present: Run) -> None:
        if time.monotonic() - self._expired_at > EXPIRE_SECONDS:
            self._expired_at = time.monotonic()
            self.expire(present)
        if self._bytes > COMPACT_FROM * self._limits.bytes:
            self._join_some()
        while self._bytes > self._limits.bytes:
            before = self._bytes
            while self._join_some() and self._bytes > self._limits.bytes:
                pass
            if self._bytes > 0.9 * before:
                self._drop_oldest(present)

    def _join_some(self) -> bool:
        """Joins the next neighbours of the older half, a few; false when the half is done and restarts."""
        rows = self.file.rows("SELECT id, run FROM segments ORDER BY id")
        older = [row for row in rows[: max(2, len(rows) // 2)] if row[0] > self._joined_up_to]
        pairs = [(a[0], b[0]) for a, b in zip(older[::2], older[1::2], strict=False) if a[1] == b[1]]
        for first, second in pairs[:JOINS_PER_APPEND]:
            self._join(first, second)
        self._joined_up_to = pairs[JOINS_PER_APPEND - 1][1] if len(pairs) > JOINS_PER_APPEND else 0
        return self._joined_up_to > 0

    def _join(self, first: int, second: int) -> None:
        joined = segments.merged(self._segment(first), self._segment(second))
        with self.file.transaction():
            self._replace(second, joined)
            self._delete("id = ?", first)

    def expire(self, present: Run) -> None:
        """Drops what is too old: of runs that are over everything, of the present one the events.

        The age is that of the machine's uptime, which no change of the wall clock moves.
        """
        oldest = boottime_ns() - int(self._limits.age_seconds * 1e9)
        for identifier, number in self.file.rows(
            "SELECT id, run FROM segments JOIN runs USING (run) "
            "WHERE CASE WHEN boot_id = ? THEN stored_boottime_ns ELSE 0 END < ?",
            *(self._boot_id, oldest),
        ):
            segment = self._segment(identifier)
            if number == present.number:
                self._drop_events(identifier, segment)
            else:
                self._drop(identifier, segment, len(segment.processes))

    def _drop_oldest(self, present: Run) -> None:
        """The oldest events; when there are none, the oldest segment. Of what runs, the spool still has the totals."""
        rows = self.file.rows("SELECT id, run FROM segments ORDER BY id")
        for identifier, _ in rows:
            if self._drop_events(identifier, self._segment(identifier)):
                return
        identifier, run = rows[0]
        segment = self._segment(identifier)
        lost = segments.ended(segment) if run == present.number else len(segment.processes)
        self._drop(identifier, segment, lost)

    def _drop_events(self, identifier: int, segment: Observation) -> bool:
        count = segments.events(segment)
        if count:
            self._losses[EVENTS_DROPPED] += count
            self._replace(identifier, segments.without_events(segment))
        return count > 0

    def _drop(self, identifier: int, segment: Observation, lost: int) -> None:
        self._losses[EVENTS_DROPPED] += segments.events(segment)
        self._losses[PROCESSES_DROPPED] += lost
        self._losses[AUDIT_DROPPED] += len(segment.audit)
        self.dropped_segments += 1
        self._delete("id = ?", identifier)

    def _segment(self, identifier: int) -> Observation:
        if identifier == self._newest[0]:
            return self._newest[1]
        for (content,) in self.file.rows("SELECT content FROM segments WHERE id = ?", identifier):
            try:
                return unpack(content)
            except InvalidInputError as error:
                self._empty(identifier, error)
        return Observation(1)  # what was damaged is counted

    def _empty(self, identifier: int, error: InvalidInputError) -> None:
        """The disk garbled a segment, which nobody is to come upon again."""
        log.error("a segment of the spool is damaged", reason=str(error))
        self._losses[DAMAGED] += 1
        self.dropped_segments += 1
        self._replace(identifier, Observation(1))

    def _replace(self, identifier: int, segment: Observation) -> None:
        self._newest = 0, segment
        content = pack(segment)
        self.file.rows("UPDATE segments SET size = ?, content = ? WHERE id = ?", len(content), content, identifier)
        self._bytes = self._stored_bytes()

    def _delete(self, condition: str, *values: object) -> None:
        deleted = self.file.rows(f"DELETE FROM segments WHERE {condition} RETURNING size", *values)  # noqa: S608
        self._bytes -= sum(size for (size,) in deleted)

    def _stored_bytes(self) -> int:
        ((size,),) = self.file.rows("SELECT coalesce(sum(size), 0) FROM segments")
        return int(size)
