"""What a store returns beside the values of `model`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from gosonde_common.values.audit import AuditEvent
from gosonde_common.values.timers import PendingTimers
from numpy.typing import NDArray

from gosonde_collector.evidence.escapes.model import Escapes
from gosonde_collector.evidence.model import Frame, GoroutineProfile
from gosonde_collector.model.values import KnownProcess, Process, ProcessKey, Site, SiteTotal

#: From how many nanoseconds on a pause counts in which step.
PAUSES_NS: Final = (0, *(digit * 10**power for power in range(4, 9) for digit in (1, 3)), 10**9)


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What was probably at one site, beyond its totals, over time: each holds from its time until the next.

    Attributes:
        unix_nano: Ascending, shape (n,), n >= 1, int64.
        created: The estimate and its bounds of 95 %, shape (3, n), int64. It may fall.
        exited: The same of exits.
    """

    unix_nano: NDArray[np.int64]
    created: NDArray[np.int64]
    exited: NDArray[np.int64]


class TimersName(NamedTuple):
    """What the pending timers of one group have in common: see TimerGroup."""

    kind: str
    callback: str
    repeats: bool


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One site of one process over time: totals as steps, each valid from its time until the next.

    Attributes:
        unix_nano: When each total was seen; ascending, shape (n,), int64. The first is the base: the last one before
            the period, or zero at the beginning of counting.
        created: Shape (n,), int64, never falling.
        exited: The same.
        baseline: Goroutines that lived when counting began, as far as was known then; the newest is the best.
        mismatch: By how many live goroutines memory had more (negative: fewer) than the events.
        until_unix_nano: Up to when the last total is known to hold: the newest batch of the process's agent.
        number: The process's, as `Store.running` has it.
        estimates: What `created` and `exited` lack, as `Store.estimates` has it; None where nothing is estimated.
        timers: The group of pending timers that is counted in place of goroutines; None for goroutines. Created and
            exited are what readings rose and fell by then, and the site has no more than the callback's name.
    """

    host: str
    process: Process
    site: Site
    unix_nano: NDArray[np.int64]
    created: NDArray[np.int64]
    exited: NDArray[np.int64]
    baseline: NDArray[np.int64]
    mismatch: NDArray[np.int64]
    until_unix_nano: int
    number: int = 0
    estimates: Estimates | None = None
    timers: TimersName | None = None

    @property
    def live(self) -> NDArray[np.int64]:
        """Goroutines that live; below zero where those that lived when counting began are not known, and exit."""
        return self.created - self.exited + int(self.baseline[-1])


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs, and up to when it is known to."""

    host: str
    process: Process
    until_unix_nano: int


@dataclass(frozen=True, slots=True, eq=False)
class Counters:
    """Totals of sites of running processes as they were seen; those of one process stand together, oldest first.

    Attributes:
        process: Numbers as `Store.running` has them, shape (n,), int64; all columns have this shape.
        pc: uint64.
        unix_nano: When each was seen.
        created: int64.
        exited: int64.
        baseline: int64.
        mismatch: int64.
        stored_unix_nano: Up to when what was stored is in here; to ask for what comes next.
    """

    process: NDArray[np.int64]
    pc: NDArray[np.uint64]
    unix_nano: NDArray[np.int64]
    created: NDArray[np.int64]
    exited: NDArray[np.int64]
    baseline: NDArray[np.int64]
    mismatch: NDArray[np.int64]
    stored_unix_nano: int


@dataclass(frozen=True, slots=True, eq=False)
class GcColumns:
    """The cycles and the pauses of one process, each the oldest first. All columns are int64.

    Attributes:
        end_unix_nano: When each cycle ended, shape (cycles,).
        marked_bytes: What each found alive; 0 where it is not known.
        goal_bytes: At which size of the heap the next was to end; 0 where it is not known.
        pause_unix_nano: When each stop of the world began, shape (pauses,).
        pause_ns: How long it took.
    """

    end_unix_nano: NDArray[np.int64]
    marked_bytes: NDArray[np.int64]
    goal_bytes: NDArray[np.int64]
    pause_unix_nano: NDArray[np.int64]
    pause_ns: NDArray[np.int64]


class CostIn(NamedTuple):
    """What its probes cost a process in a part of Past, in parts per million of its CPU time: in the end, and most."""

    part: int
    ppm: int
    highest_ppm: int


class PausesIn(NamedTuple):
    """How many pauses began in a part of Past, and took PAUSES_NS[step] at least and less than the next of these."""

    part: int
    step: int
    pauses: int


class HeapIn(NamedTuple):
    """The heap in a part of Past: the largest when a cycle began, and what the newest cycle found alive and aims at."""

    part: int
    before_bytes: int
    marked_bytes: int
    goal_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """A process in its last hour or, when less is known, since counting began; of one that has ended, until then.

    That time is divided into parts, which are numbered from 0.

    Attributes:
        sites: As Store.sites has them.
        since_unix_nano: When the first part begins.
        ends_unix_nano: The last nanosecond of each part.
        live: Live goroutines of each of `sites` at the end of each part, shape (sites, parts), int64; as Series.live.
        costs: In order, without the parts in which nothing new was said.
        pauses: In order, without zeros.
        heaps: In order, without the parts in which no cycle ended whose heap is known.
    """

    known: KnownProcess
    sites: Sequence[SiteTotal]
    since_unix_nano: int
    ends_unix_nano: Sequence[int]
    live: NDArray[np.int64]
    costs: Sequence[CostIn]
    pauses: Sequence[PausesIn]
    heaps: Sequence[HeapIn]


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """Which profile there is of a process; `kind` as GoroutineProfile's."""

    host: str
    process: ProcessKey
    kind: str
    from_memory: bool
    id: str
    taken_unix_nano: int


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A profile of one process, of any kind.

    Attributes:
        kind: As the runtime names it, such as evidence.model.GOROUTINE.
        format: As GoroutineProfile's.
        goroutines: How many it shows; 0 for kinds that show none.
        groups: In how many groups.
    """

    id: str
    kind: str
    format: str
    taken_unix_nano: int
    stored_unix_nano: int
    goroutines: int
    groups: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A goroutine profile of a known process."""

    id: str
    taken_unix_nano: int
    profile: GoroutineProfile


@dataclass(frozen=True, slots=True)
class Mute:
    """Somebody has muted findings for a time: lists leave them out.

    Attributes:
        finding: The id of the one finding that it covers; "" when it covers those of a function.
        service: Name of the executable without its folders, on whatever host; "" when it covers one finding.
        function: Of which every `go` statement is covered, in whatever build; "" when it covers one finding.
        reason: What whoever muted it has written.
        by: Who that was; "" when no name is known.
    """

    finding: str
    service: str
    function: str
    reason: str
    by: str
    since_unix_nano: int
    until_unix_nano: int

    @property
    def covers(self) -> tuple[str, str, str]:
        """(finding, service, function): no two mutes that hold have the same."""
        return self.finding, self.service, self.function


@dataclass(frozen=True, slots=True)
class Reported:
    """What was sent last of a finding to a receiver of alerts.

    Attributes:
        receiver: A digest of the receiver's address.
        finding: The finding's id.
        document: JSON that only `outward` reads.
    """

    receiver: str
    finding: str
    document: str


class StateSeen(NamedTuple):
    """How many goroutines of one `go` statement were in one state when a snapshot was taken."""

    taken_unix_nano: int
    created_by: Frame
    state: str
    goroutines: int


@dataclass(frozen=True, slots=True)
class TimersRead:
    """One reading of the pending timers of a process.

    Attributes:
        found: What it found, with the largest groups alone.
        others: How many are pending in further groups.
        other_groups: How many these are.
        unread: Why they could not be read; empty when they were.
    """

    read_unix_nano: int
    found: PendingTimers
    others: int
    other_groups: int
    unread: str

    @property
    def pending(self) -> int:
        """All that are pending."""
        return self.found.pending + self.others


@dataclass(frozen=True, slots=True)
class EscapesRead:
    """What the newest output of the compiler for a build says of some of its files, and when it was stored."""

    stored_unix_nano: int
    escapes: Escapes


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """One version of a finding; `document` is JSON that only `analysis` reads."""

    id: str
    updated_unix_nano: int
    document: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An audit event in the store.

    Attributes:
        agent: The agent_id of the agent that noted it; "" for the collector.
        run: The agent_epoch of that agent, or the collector's run.
        stored_unix_nano: When that was stored, by the collector's clock.
    """

    host: str
    agent: str
    run: str
    stored_unix_nano: int
    event: AuditEvent
