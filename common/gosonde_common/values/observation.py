"""What the agent knows, as plain values. Protobuf appears only in `wire`.

Times are nanoseconds since the Unix epoch (`*_unix_nano`), durations nanoseconds (`*_ns`), addresses link-time
virtual addresses, and every counter is a total since counting began.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, NamedTuple

from gosonde_common.values.audit import AuditEvent
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.levels import Level, Step
from gosonde_common.values.reachability import Holder
from gosonde_common.values.runtime import RuntimeFigures
from gosonde_common.values.timers import NONE_PENDING, PendingTimers

#: The pc of what is counted without its `go` statement.
NAMELESS_PC: Final = 0
#: Paths that are reported of one `go` statement, and steps of one.
MAX_HOLDERS, MAX_PATH_STEPS = 5, 32


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """Identity of a process image: what one exec started.

    Attributes:
        boot_id: /proc/sys/kernel/random/boot_id.
        pid: As seen from the agent's pid namespace.
        start_ticks: Clock ticks between boot and fork (/proc/PID/stat, field 22); 0 for a process that had ended
            before it could be asked.
        exec_epoch: Number of the exec among those the agent saw; for an image that is older than the agent, that of
            the agent's start; a number of its own for one that is watched again. Counting restarts with each key.
    """

    boot_id: str
    pid: int
    start_ticks: int
    exec_epoch: int


@dataclass(frozen=True, slots=True)
class Process:
    """A Go process, probed or refused.

    Attributes:
        counted_since_unix_nano: When counting began; `started_unix_nano` when the probes were there first.
        counted_from_start: No creation and no exit of this process can have been missed.
        ended_unix_nano: 0 while it runs and is watched.
        refusal: Why it is not probed, or (`ended_unix_nano` is not 0) no longer watched; else empty.
        level: How much of it is probed, unless it is refused.
        precise: Everything was counted at its place, or memory showed it for certain; nothing of it was lost.
        steps: The newest changes of `level`, the oldest first; see levels.MAX_STEPS.
        sums: How many processes of one file this stands for, with their sums: each ended before an observation saw it
            run. `key` and the times before `ended_unix_nano` are the first one's. 0 for a process of its own.
        container: What is known of the container that it runs in.
    """

    key: ProcessKey
    exe: str
    go_version: str
    build_id: str
    started_unix_nano: int
    counted_since_unix_nano: int
    counted_from_start: bool
    ended_unix_nano: int = 0
    refusal: str = ""
    level: Level = Level.FULL
    precise: bool = True
    steps: tuple[Step, ...] = ()
    sums: int = 0
    container: Container = NO_CONTAINER


@dataclass(frozen=True, slots=True)
class Site:
    """A `go` statement: where in the binary `build_id` its call of runtime.newproc returns to.

    Attributes:
        pc: Link-time address behind the call: g.gopc less the load bias.
        function: The function that contains the statement; empty when the pc is in no function.
        start_function: What the goroutine runs first, as seen at the first creation; empty when unknown.
    """

    build_id: str
    pc: int
    function: str
    file: str
    line: int
    start_function: str = ""


class SiteCount(NamedTuple):
    """Goroutines that one site of one process created, and how many of that site's exited, since counting began.

    Attributes:
        baseline: Those that lived when counting began, as the process's memory had them.
        mismatch: By how many live goroutines memory had more (negative: fewer) than the counters at the last reading.
    """

    process: ProcessKey
    site: Site
    created: int
    exited: int
    baseline: int = 0
    mismatch: int = 0

    @property
    def live(self) -> int:
        """How many there are."""
        return self.baseline + self.created - self.exited


class SiteEstimate(NamedTuple):
    """How many creations and exits of which no statement is known (those at pc 0) were at this one.

    An estimate from short windows in which all were counted by statement: it may fall.

    Attributes:
        created: Since counting began; with 95 % from `created_low` to `created_high`.
        exited: The same of exits.
        windows: How many windows of the process this rests on, with a length of `sampled_ns` together.
    """

    process: ProcessKey
    site: Site
    created: int
    created_low: int
    created_high: int
    exited: int
    exited_low: int
    exited_high: int
    windows: int
    sampled_ns: int


@dataclass(frozen=True, slots=True)
class ParkCount:
    """How often goroutines of a process parked for one reason (runtime.waitReason.String): an estimate from windows.

    Attributes:
        parked: How many parks were really counted.
        parks: How many there were in `covered_ns`; with 95 % between `parks_low` and `parks_high`, which is None when
            nothing bounds the number from above.
        windows: How many windows this rests on, with a length of `sampled_ns` together.
    """

    process: ProcessKey
    wait_reason: str
    parked: int
    parks: int
    parks_low: int
    parks_high: int | None
    windows: int
    sampled_ns: int
    covered_ns: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop-the-world pause that has ended. `ordinal` counts the process's stops from 0."""

    process: ProcessKey
    ordinal: int
    start_unix_nano: int
    duration_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Heap:
    """The heap in a GC cycle, as gctrace prints it.

    Attributes:
        before_bytes: When the cycle began.
        after_bytes: When marking ended.
        marked_bytes: What was found alive.
        goal_bytes: Where the cycle was to end; 0 when there is no goal (GOGC=off).
    """

    before_bytes: int
    after_bytes: int
    marked_bytes: int
    goal_bytes: int


@dataclass(frozen=True, slots=True)
class GcCycle:
    """A GC cycle that reached mark termination. `start_unix_nano` is 0 when it began before counting did.

    Attributes:
        heap: None when it was not read before the next cycle began.
        number: As the runtime counts its cycles (MemStats.NumGC), from 1; 0 where that is not known.
    """

    process: ProcessKey
    ordinal: int
    start_unix_nano: int
    end_unix_nano: int
    heap: Heap | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class GcTotal:
    """Totals of a process that stay exact when ring-buffer events are lost."""

    process: ProcessKey
    cycles: int
    pauses: int
    gc_pause_ns: int


@dataclass(frozen=True, slots=True)
class ProbeCost:
    """What its probes cost a process.

    Attributes:
        probe_ns: Hits times what a hit costs on this host; a total since counting began.
        cpu_ns: User and system time of the process since counting began; what the probes cost is part of it.
        target_ppm: Of the last seconds: parts per million of the process's own CPU time.
        core_ppm: The same of one core.
    """

    process: ProcessKey
    probe_ns: int
    cpu_ns: int
    target_ppm: int
    core_ppm: int


@dataclass(frozen=True, slots=True)
class ProofCount:
    """What the newest search of a process's memory found of the waiting goroutines of the `go` statement at `pc`.

    Attributes:
        scans: How many times memory was scanned for it.
        examined: Goroutines that wait for a channel, a lock or the like.
        proved: Of the examined, those that nothing alive can wake: five agreeing scans, or one during which the
            process did not run.
        probable: Of the examined and not proved, those of which two scans at least say the same.
        oldest_wait_ns: The longest wait of the proved and probable, as far as the runtime has noted it.
        retained_stack_bytes: What their stacks take.
        retained_heap_bytes: What they alone keep of the heap, at least.
        held_by: What keeps others reachable, the most goroutines first; at most MAX_HOLDERS.
    """

    process: ProcessKey
    pc: int
    searched_unix_nano: int
    scans: int
    examined: int
    proved: int
    probable: int
    oldest_wait_ns: int = 0
    retained_stack_bytes: int = 0
    retained_heap_bytes: int = 0
    held_by: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """The newest search of a process's memory. `undecided` says why nothing is decided; empty when it is."""

    process: ProcessKey
    searched_unix_nano: int
    scans: int
    undecided: str = ""


@dataclass(frozen=True, slots=True)
class TimerReading:
    """The newest reading of a process's pending timers.

    Attributes:
        found: What it found, with the largest groups alone.
        others: How many are pending in further groups.
        other_groups: How many these are.
        unread: Why they could not be read; empty when they were.
    """

    process: ProcessKey
    read_unix_nano: int
    found: PendingTimers = NONE_PENDING
    others: int = 0
    other_groups: int = 0
    unread: str = ""

    @property
    def pending(self) -> int:
        """All that are pending."""
        return self.found.pending + self.others


@dataclass(frozen=True, slots=True)
class RuntimeReading:
    """What the runtime of a process says of itself, as its memory showed it last."""

    process: ProcessKey
    runtime_figures: RuntimeFigures


@dataclass(frozen=True, slots=True)
class Observation:
    """What the agent knows of a set of processes at one moment.

    `interval_ns` is the configured time until the next: docs/agent.md says from what age on it is stale.

    Counters are totals; `pauses`, `gc_cycles` and `audit` are what happened since the previous observation of the same
    reader. `losses` maps each loss counter of `gosonde_agent.model.losses` to its total since the agent started.
    """

    taken_unix_nano: int
    processes: tuple[Process, ...] = ()
    site_counts: tuple[SiteCount, ...] = ()
    park_counts: tuple[ParkCount, ...] = ()
    pauses: tuple[Pause, ...] = ()
    gc_cycles: tuple[GcCycle, ...] = ()
    gc_totals: tuple[GcTotal, ...] = ()
    losses: Mapping[str, int] = field(default_factory=dict)
    probe_costs: tuple[ProbeCost, ...] = ()
    interval_ns: int = 0
    proofs: tuple[ProofCount, ...] = ()
    searches: tuple[Search, ...] = ()
    estimates: tuple[SiteEstimate, ...] = ()
    timers: tuple[TimerReading, ...] = ()
    audit: tuple[AuditEvent, ...] = ()
    runtimes: tuple[RuntimeReading, ...] = ()

    def of(self, processes: tuple[Process, ...]) -> "Observation":
        """What is known of these processes alone; times and losses stay. `audit` is of the agent, and is left out."""
        keys = {process.key for process in processes}
        tables: dict[str, Any] = {
            name: tuple(row for row in getattr(self, name) if row.process in keys) for name in TABLES
        }
        return replace(self, processes=processes, audit=(), **tables)


#: The fields of an Observation whose rows are each about one process.
TABLES: Final = tuple(
    one.name for one in fields(Observation) if one.default == () and one.name not in {"processes", "audit"}
)
