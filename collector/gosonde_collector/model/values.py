"""What the collector knows, as plain values. Protobuf appears only in `wire` modules.

Times are nanoseconds since the Unix epoch (`*_unix_nano`) by the agent's clock, durations nanoseconds (`*_ns`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.audit import AuditEvent
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.values.runtime import RuntimeFigures
from numpy.typing import NDArray

#: Columns of equal length by name.
Columns = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """Identity of a process image on its host: what one exec started."""

    boot_id: str
    pid: int
    start_ticks: int
    exec_epoch: int


#: Of `Step.reason`: the agent may place no probes on its host.
NO_PROBES: Final = "no_probes"


@dataclass(frozen=True, slots=True)
class Step:
    """A change of a process's level, why, and what the probes of level full cost or would have cost then."""

    at_unix_nano: int
    level: str
    reason: str
    target_ppm: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process image as its agent describes it.

    Attributes:
        counted_since_unix_nano: When counting began.
        ended_unix_nano: 0 while it runs.
        level: "full", "creation", "sampled", "memory", "off" or "refused".
        refusal: Why it is refused; empty when it is not.
        precise: False when some totals are what readings of memory show, or something of the process was lost.
        steps: The newest changes of its level, the oldest first.
        sums: How many short-lived processes of one file this stands for; 0 for a process of its own.
        container: What is known of the container that it runs in.
    """

    key: ProcessKey
    exe: str
    go_version: str
    build_id: str
    started_unix_nano: int
    counted_since_unix_nano: int
    counted_from_start: bool
    ended_unix_nano: int
    level: str
    refusal: str
    precise: bool = True
    steps: tuple[Step, ...] = ()
    sums: int = 0
    container: Container = NO_CONTAINER

    @property
    def has_no_probes(self) -> bool:
        """Whether nothing of it is counted, because its agent may place no probes: memory shows what there is."""
        return bool(self.steps) and self.steps[-1].reason == NO_PROBES


@dataclass(frozen=True, slots=True)
class Site:
    """A `go` statement. Empty strings and line 0 stand for what the agent did not say."""

    build_id: str
    pc: int
    function: str = ""
    file: str = ""
    line: int = 0
    start_function: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """One run of one agent.

    Attributes:
        agent_run: Grows from run to run of the same agent.
        previous_end: How the run before ended: "none", "stopped", "killed", "rebooted"; else "unspecified".
    """

    agent_id: str
    agent_epoch: str
    host: str
    agent_version: str
    agent_run: int = 0
    previous_end: str = "unspecified"


class SnapshotKind(StrEnum):
    """What an agent makes a snapshot from."""

    MEMORY = "memory"
    PPROF = "pprof"
    PPROF_LEAK = "pprof-leak"
    PPROF_HEAP = "pprof-heap"
    #: No file: a search of memory, and its outcome.
    PROOF = "proof"


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A snapshot that an agent is asked for. Its answer repeats `id`."""

    id: int
    process: ProcessKey
    kind: SnapshotKind


@dataclass(frozen=True, slots=True)
class SnapshotPiece:
    """What follows in the file of a snapshot.

    Attributes:
        last: The file is whole with it.
        failure: Why there is no snapshot; empty when there is.
        outcome: The whole answer to a request for a proof.
    """

    id: int
    chunk: bytes
    last: bool
    failure: str
    outcome: SearchOutcome | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one agent saw at one moment; every column of row data has its batch's process numbers in "process".

    Attributes:
        site_counters: process, pc, created, exited, baseline (goroutines that lived when counting began), mismatch (by
            how many live goroutines the process's memory had more than the events when the agent read it last).
        park_counters: process, wait_reason, parked (really counted), then the estimate (all 0 without one): parks,
            parks_low, parks_high (0 when nothing bounds it), windows, sampled_ns, covered_ns.
        pauses: process, ordinal, start_unix_nano, duration_ns, reason.
        gc_cycles: process, ordinal, start_unix_nano, end_unix_nano, number, and heap_before_bytes, heap_after_bytes,
            heap_marked_bytes, heap_goal_bytes: all 0 where they are not known.
        gc_totals: process, cycles, pauses, gc_pause_ns.
        probe_costs: process, probe_ns, cpu_ns, target_ppm, core_ppm.
        proofs: process, pc, then as SiteProof: searched_unix_nano, scans, examined, proved, probable, oldest_wait_ns,
            retained_stack_bytes, retained_heap_bytes.
        holders: process, pc, path (a list of texts), goroutines.
        searches: process, searched_unix_nano, scans, undecided: see Search.
        site_estimates: process, pc, then as Estimate.
        timer_readings: process, then as ingest/wire_timers.py has it.
        runtime_readings: process, then as RuntimeFigures; what is not known is wire.runtime.UNKNOWN.
        losses: Totals by name since the agent started.
        interval_ns: The configured time until the agent's next observation; 0 when it did not say.
        audit: What the agent noted of what it has done.
        left_out: How many elements of what was sent are not here because they are wrong, by the name of their table.
        fault: What is wrong with one of them.
    """

    stream: Stream
    sequence: int
    taken_unix_nano: int
    processes: tuple[Process, ...]
    sites: tuple[Site, ...]
    site_counters: Columns
    park_counters: Columns
    pauses: Columns
    gc_cycles: Columns
    gc_totals: Columns
    probe_costs: Columns
    proofs: Columns
    holders: Columns
    searches: Columns
    site_estimates: Columns
    timer_readings: Columns
    runtime_readings: Columns
    losses: Mapping[str, int] = field(default_factory=dict)
    interval_ns: int = 0
    audit: tuple[AuditEvent, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """What keeps goroutines reachable: a path from a root to what they wait for, and how many."""

    path: tuple[str, ...]
    goroutines: int


@dataclass(frozen=True, slots=True)
class SiteProof:
    """What the newest search of a process's memory found of a site's waiting goroutines.

    Attributes:
        scans: How many times memory was scanned for it.
        examined: Goroutines that wait for a channel, a lock or the like.
        proved: Of these, such as nothing alive can wake.
        probable: Of the others, such as fewer scans say the same of.
        oldest_wait_ns: The longest wait of both, as far as the runtime has noted it.
        retained_stack_bytes: What their stacks take.
        retained_heap_bytes: What they alone keep of the heap, at least.
        held_by: What keeps the rest reachable, the most goroutines first.
    """

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
    """The newest search of a process's memory, with what it found by pc.

    Attributes:
        undecided: Why nothing is decided; empty when it is.
    """

    searched_unix_nano: int
    scans: int
    undecided: str
    sites: Mapping[int, SiteProof] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessFilter:
    """Which processes are selected: empty fields match everything.

    Attributes:
        all_runs: Also what only former runs of an agent counted of processes that its present run counts again.
        container: What is known of its container: namespace, pod and workload alone.
    """

    host: str = ""
    pid: int = 0
    all_runs: bool = False
    container: Container = NO_CONTAINER

    def __post_init__(self) -> None:
        """Raises InvalidInputError for a name that no container can have: nothing would ever match."""
        if fault := self.container.fault:
            raise InvalidInputError(f"filter: {fault}, which is no name that Kubernetes gives")

    @property
    def names(self) -> tuple[str, str, str]:
        """(namespace, pod, workload)."""
        return self.container.namespace, self.container.pod, self.container.workload

    def has(self, host: str, pid: int, container: Container) -> bool:
        """Whether a process is selected."""
        return self.host in {"", host} and self.pid in {0, pid} and container.is_like(self.container)


@dataclass(frozen=True, slots=True)
class KnownProcess:
    """A process with what all its sites together have counted.

    Attributes:
        last_observed_unix_nano: When its agent last said anything at all.
        target_ppm: What its probes cost it lately, in parts per million of its own CPU time.
        core_ppm: The same of one core.
        last_stored_unix_nano: When that was stored, by the collector's clock.
        interval_ns: The configured time between two observations of its agent; 0 when it is not known.
        runtime_figures: What its runtime says of itself; None where no agent has read it.
    """

    host: str
    process: Process
    created: int
    exited: int
    baseline: int
    last_observed_unix_nano: int
    target_ppm: int
    core_ppm: int
    last_stored_unix_nano: int = 0
    interval_ns: int = 0
    runtime_figures: RuntimeFigures | None = None


class Estimate(NamedTuple):
    """How many of the creations and exits at no known statement were at one site: from short windows, and it may fall.

    Attributes:
        created: Since counting began; with 95 % from `created_low` to `created_high`.
        exited: The same of exits.
        windows: How many windows of the process this rests on, with a length of `sampled_ns` together.
    """

    created: int
    created_low: int
    created_high: int
    exited: int
    exited_low: int
    exited_high: int
    windows: int
    sampled_ns: int


class Before(NamedTuple):
    """What was known of a site `over_ns` before its latest totals: see `SiteTotal`.

    Attributes:
        estimate: The first six of `Estimate`; zeros where nothing was estimated.
    """

    over_ns: int
    created: int
    exited: int
    estimate: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SiteTotal:
    """A site of a process with its latest totals; live is baseline + created - exited.

    Attributes:
        estimate: What is at no known statement and was probably here; None where nothing is estimated.
        shared_created: Of the row without a statement: how many of `created` the estimates of the other sites have.
        shared_exited: The same of exits.
        before: What it was about a minute before; None of a process that has ended.
    """

    host: str
    process: ProcessKey
    exe: str
    site: Site
    created: int
    exited: int
    baseline: int
    estimate: Estimate | None = None
    shared_created: int = 0
    shared_exited: int = 0
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class ParkTotal:
    """How often goroutines of a process parked for one reason in `covered_ns`: the newest estimate."""

    host: str
    process: ProcessKey
    exe: str
    wait_reason: str
    parks: int
    parks_low: int
    parks_high: int | None
    windows: int
    sampled_ns: int
    covered_ns: int


@dataclass(frozen=True, slots=True)
class GcTotal:
    """How many GC cycles a running process has had since counting began."""

    host: str
    process: ProcessKey
    exe: str
    cycles: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What the present run of a host's agent could not see or keep since it started, by the counter's name."""

    host: str
    name: str
    total: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop-the-world pause."""

    start_unix_nano: int
    duration_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Heap:
    """The heap when a cycle began and when its marking ended, what was found alive, and where it was to end (or 0)."""

    before_bytes: int
    after_bytes: int
    marked_bytes: int
    goal_bytes: int


@dataclass(frozen=True, slots=True)
class GcCycle:
    """A GC cycle. `cycle` counts from 1 since counting began; `start_unix_nano` is 0 for one that began before.

    Attributes:
        heap: None when its agent did not read it.
        number: As the runtime counts its cycles, from 1; 0 where that is not known.
    """

    host: str
    process: ProcessKey
    exe: str
    cycle: int
    start_unix_nano: int
    end_unix_nano: int
    pauses: tuple[Pause, ...]
    heap: Heap | None = None
    number: int = 0
