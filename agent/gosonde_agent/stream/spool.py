"""What the collector has not acknowledged yet: the changes of each observation in the journal, the newest totals here.

Counters are totals, so a change is the new value. A stream carries the journal's segments, oldest first, and then,
once, every total that is held: whichever collector is behind it then has all that runs.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol, TypeVar

import structlog
from gosonde_common.ratelimit import MessageLimiter
from gosonde_common.values.observation import (
    GcCycle,
    Observation,
    Pause,
    Process,
    ProcessKey,
    SiteCount,
)

from gosonde_agent.model.errors import SpoolError
from gosonde_agent.model.trail import DROPPED as AUDIT_DROPPED
from gosonde_agent.stream import segments
from gosonde_agent.stream.journal import EVENTS_DROPPED, Journal, Run

log = structlog.get_logger(__name__)

#: Times that the disk did not take what had to be kept; it is kept in memory instead.
WRITES_FAILED = "spool_writes_failed"
#: Events of each kind that memory holds while the disk takes nothing.
MAX_EVENTS_IN_MEMORY = 50_000

SITE_PROCESS: Callable[[SiteCount], ProcessKey] = attrgetter("process")
Event = Pause | GcCycle
Row = TypeVar("Row")


class Backlog(Protocol):
    """What a stream delivers."""

    #: There is something to take. It costs nothing to ask; all below may take as long as the disk does.
    fresh: bool
    #: Among it is a process that no collector knows: it is not to wait for its turn.
    urgent: bool

    def take(self, max_rows: int) -> tuple[int, Observation]:
        """A ticket, and what comes next; while `fresh` stays true there is more."""

    def acknowledge(self, ticket: int) -> None:
        """Everything that was taken up to `ticket` is stored elsewhere."""

    def rewind(self) -> None:
        """A new stream begins: what is not acknowledged is to be taken again."""


class Leftover:
    """What a former run of the agent left in the journal.

    Attributes:
        fresh, urgent: See Backlog.
    """

    def __init__(self, journal: Journal, run: Run) -> None:
        self._journal = journal
        self._run = run
        self._taken = 0
        self.fresh = self.urgent = False
        self._look()

    def _look(self) -> None:
        self.fresh = self._journal.has(self._run, self._taken)

    @property
    def settled(self) -> bool:
        """Everything is acknowledged."""
        return not self._journal.has(self._run, 0)

    def take(self, max_rows: int) -> tuple[int, Observation]:  # noqa: ARG002 - a segment is parted by size alone
        """See Backlog."""
        found = self._journal.next(self._run, self._taken)
        if found is None:
            self.fresh = False
            return self._taken, Observation(1)
        self._taken = found[0]
        self._look()
        return found

    def acknowledge(self, ticket: int) -> None:
        """See Backlog."""
        self._journal.acknowledge(self._run, ticket)

    def rewind(self) -> None:
        """See Backlog."""
        self._taken = 0
        self._look()


@dataclass(slots=True)
class _Held:
    """The newest values of one process that runs.

    Attributes:
        tables: The rows of each table of segments.NEWEST, by what identifies each.
        due: This stream must still carry them as a whole.
    """

    process: Process
    sites: dict[int, SiteCount] = field(default_factory=dict)
    tables: dict[str, dict[Hashable, Any]] = field(default_factory=lambda: {name: {} for name in segments.NEWEST})
    due: bool = False

    @property
    def rows(self) -> int:
        return 1 + len(self.sites) + sum(map(len, self.tables.values()))


@dataclass(slots=True)
class _Taken:
    """What was taken and is not acknowledged: a segment of the journal, or what the disk did not take."""

    ticket: int
    segment: int = 0
    unwritten: Observation | None = None


class Spool:
    """Records observations and gives out what is new in them until it is acknowledged.

    What the disk does not take is kept in memory, bounded; the totals of what runs are never lost.

    Attributes:
        fresh, urgent: See Backlog.
    """

    def __init__(self, journal: Journal, run: Run) -> None:
        self._journal = journal
        self._run = run
        self._held: dict[ProcessKey, _Held] = {}
        self._open: deque[_Taken] = deque()
        self._ticket = 0
        self._cursor = 0
        self._unwritten: Observation | None = None
        self._state_due = False
        # Something of this run is no longer in the journal, so that a new stream needs all totals.
        self._gone = False
        self._newest = Observation(0)
        self._losses = {EVENTS_DROPPED: 0, WRITES_FAILED: 0, AUDIT_DROPPED: 0}
        self._message_limiter = MessageLimiter()
        self.fresh = self.urgent = False

    @property
    def held_rows(self) -> int:
        """Rows of newest totals that are kept of what runs."""
        return sum(held.rows for held in self._held.values())

    def _look(self) -> None:
        self.fresh = self._state_due or self._unwritten is not None or self._has_segment()

    @property
    def settled(self) -> bool:
        """Everything was taken and acknowledged."""
        return not self.fresh and not self._open

    def losses(self) -> dict[str, int]:
        """What could not be kept, by name, since the start."""
        dropped = self._journal.losses()
        both = {name: dropped[name] + self._losses[name] for name in (EVENTS_DROPPED, AUDIT_DROPPED)}
        return {**dropped, **self._losses, **both}

    def offer(self, observation: Observation) -> None:
        """Records the newest totals and the events since the last offer.

        Rows that are missing are unchanged. Rows of a process that the observation does not hold are left out; its
        events are dropped and counted.

        Raises:
            ValueError: As `wire.encoding.encode`; nothing of the observation is kept.
        """
        changes = self._changes(observation)
        nothing: dict[str, Any] = dict.fromkeys(segments.NEWEST, ())
        bare = replace(observation, processes=(), site_counts=(), pauses=(), gc_cycles=(), audit=(), **nothing)
        self._newest = bare
        self.urgent |= any(process.key not in self._held for process in changes.processes)
        kept_all = self._keep(changes)
        self._hold(observation, changes)
        if not kept_all:
            self._all_totals_again()
        self._look()

    def take(self, max_rows: int) -> tuple[int, Observation]:
        """See Backlog; `max_rows` bounds what is taken of the held totals."""
        self._ticket += 1
        self.urgent = False
        dropped = self._journal.dropped_segments
        if (found := self._next_segment()) is not None:
            self._cursor, segment = found
            self._open.append(_Taken(self._ticket, segment=self._cursor))
        elif self._unwritten is not None:
            segment, self._unwritten = self._unwritten, None
            self._open.append(_Taken(self._ticket, unwritten=segment))
        else:
            segment = self._state(max_rows)
            self._open.append(_Taken(self._ticket))
        if self._journal.dropped_segments != dropped:
            self._all_totals_again()
        self._look()
        return self._ticket, replace(segment, losses={**segment.losses, **self.losses()})

    def acknowledge(self, ticket: int) -> None:
        """See Backlog."""
        done = 0
        while self._open and self._open[0].ticket <= ticket:
            done = max(done, self._open.popleft().segment)
            self._gone = True
        if done:
            try:
                self._journal.acknowledge(self._run, done)
            except SpoolError as error:
                self._report(error)
            self._look()

    def rewind(self) -> None:
        """See Backlog."""
        for taken in reversed(self._open):
            if taken.unwritten is not None:
                self._hold_unwritten(taken.unwritten, self._unwritten)
        self._open.clear()
        self._cursor = 0
        if self._gone:
            self._mark_due()
        self._look()

    def _all_totals_again(self) -> None:
        """Something that no collector has got is no longer in the journal."""
        self._gone = True
        self._mark_due()

    def _mark_due(self) -> None:
        for held in self._held.values():
            held.due = True
        self._state_due = bool(self._held)

    def _changes(self, observation: Observation) -> Observation:
        """What is new in an observation, with the processes that it is about."""
        known = {process.key for process in observation.processes}
        pauses = [event for event in observation.pauses if event.process in known]
        cycles = [event for event in observation.gc_cycles if event.process in known]
        self._losses[EVENTS_DROPPED] += segments.events(observation) - len(pauses) - len(cycles)
        sites = list(self._new_sites(observation.site_counts, known))
        tables: dict[str, Any] = {
            name: tuple(row for row in getattr(observation, name) if row.process in known and self._is_new(name, row))
            for name in segments.NEWEST
        }
        about = {row.process for table in (pauses, cycles, *tables.values()) for row in table}
        about |= {process for process, _ in groupby(sites, SITE_PROCESS)}
        return Observation(
            observation.taken_unix_nano,
            tuple(p for p in observation.processes if p.key in about or self._is_new_process(p)),
            tuple(sites),
            pauses=tuple(pauses),
            gc_cycles=tuple(cycles),
            audit=observation.audit,
            losses=observation.losses,
            interval_ns=observation.interval_ns,
            **tables,
        )

    def _is_new_process(self, process: Process) -> bool:
        held = self._held.get(process.key)
        return held is None or held.process != process

    def _new_sites(self, rows: Iterable[SiteCount], known: AbstractSet[ProcessKey]) -> Iterator[SiteCount]:
        # Rows of one process usually follow each other.
        for process, own in groupby(rows, SITE_PROCESS):
            if process in known:
                held = self._held.get(process)
                sites = held.sites if held is not None else {}
                yield from (row for row in own if (old := sites.get(row.site.pc)) is not row and old != row)

    def _is_new(self, table: str, row: segments.NewestRow) -> bool:
        held = self._held.get(row.process)
        return held is None or held.tables[table].get(segments.NEWEST[table](row)) != row

    def _keep(self, changes: Observation) -> bool:
        """Stores the changes, or holds them in memory; false when the journal had to drop a segment for them."""
        dropped = self._journal.dropped_segments
        try:
            self._journal.append(self._run, self._with_unwritten(changes))
            self._unwritten = None
        except SpoolError as error:
            self._losses[WRITES_FAILED] += 1
            self._report(error)
            self._hold_unwritten(self._unwritten, changes)
        return self._journal.dropped_segments == dropped

    def _with_unwritten(self, changes: Observation) -> Observation:
        return segments.merged(self._unwritten, changes) if self._unwritten else changes

    def _hold_unwritten(self, older: Observation | None, newer: Observation | None) -> None:
        both = segments.merged(older, newer) if older and newer else older or newer
        if both is not None:
            self._unwritten, dropped = segments.limited(both, MAX_EVENTS_IN_MEMORY)
            self._losses[EVENTS_DROPPED] += dropped
            self._losses[AUDIT_DROPPED] += len(both.audit) - len(self._unwritten.audit)

    def _hold(self, observation: Observation, changes: Observation) -> None:
        self._held = {
            process.key: self._held.get(process.key) or _Held(process, due=self._state_due)
            for process in observation.processes
        }
        for process in changes.processes:
            self._held[process.key].process = process
        for key, own in groupby(changes.site_counts, SITE_PROCESS):
            self._held[key].sites.update((row.site.pc, row) for row in own)
        for name, identified_by in segments.NEWEST.items():
            for row in getattr(changes, name):
                self._held[row.process].tables[name][identified_by(row)] = row

    def _state(self, max_rows: int) -> Observation:
        """Of what is held, the next processes that are due, until they have `max_rows` rows."""
        chosen: list[_Held] = []
        rows = 0
        for held in self._held.values():
            if held.due and rows < max_rows:
                held.due = False
                chosen.append(held)
                rows += held.rows
        self._state_due = any(held.due for held in self._held.values())
        tables: dict[str, Any] = {name: _all(held.tables[name].values() for held in chosen) for name in segments.NEWEST}
        return replace(
            self._newest,
            processes=tuple(held.process for held in chosen),
            site_counts=_all(held.sites.values() for held in chosen),
            **tables,
        )

    def _has_segment(self) -> bool:
        try:
            return self._journal.has(self._run, self._cursor)
        except SpoolError as error:
            self._report(error)
            return False

    def _next_segment(self) -> tuple[int, Observation] | None:
        try:
            return self._journal.next(self._run, self._cursor)
        except SpoolError as error:
            self._report(error)
            return None

    def _report(self, error: SpoolError) -> None:
        if self._message_limiter.allows(str(error)):
            log.error("the spool's disk fails; what it does not take is kept in memory", reason=str(error))


def _all(tables: Iterable[Iterable[Row]]) -> tuple[Row, ...]:
    return tuple(row for table in tables for row in table)
