"""What a collector answers, as plain values: rows of its lists, and findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gosonde_common.values.containers import Container
from gosonde_common.values.http import HostSeen
from gosonde_common.values.labels import LabelShare
from gosonde_common.values.runtime import RuntimeFigures
from gosonde_common.values.timers import PendingTimers

from gosonde.witness_numbers import WitnessNumbers


@dataclass(frozen=True, slots=True)
class Step:
    """A change of a process's level: why, and what probes at level full cost or would have cost then."""

    at_unix_nano: int
    level: str
    reason: str
    overhead_percent: float


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process; `live` counts the goroutines that lived when counting began, too. docs/json.md says more."""

    host: str
    pid: int
    exe: str
    go_version: str
    build_id: str
    started_unix_nano: int
    level: str
    created: int
    exited: int
    live: int
    overhead_percent: float
    overhead_core_percent: float
    precise: bool
    steps: Sequence[Step]
    clock_offset_ns: int
    age_ns: int
    stale: bool
    sums: int
    no_probes_because: str
    source: str
    container: Container | None = None
    runtime_figures: RuntimeFigures | None = None


@dataclass(frozen=True, slots=True)
class ProcessName:
    """Which process a row is about."""

    pid: int
    exe: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """Creations and exits of which it is not known at which statement they were, and that were probably at this one.

    With 95 % they are between the bounds, by `windows` windows with a length of `sampled_ns` together.
    """

    created: int
    created_low: int
    created_high: int
    exited: int
    exited_low: int
    exited_high: int
    windows: int
    sampled_ns: int


@dataclass(frozen=True, slots=True)
class Shared:
    """How much of the row without a statement the estimates of the other rows have."""

    created: int
    exited: int


@dataclass(frozen=True, slots=True)
class PerSecond:
    """Goroutines each second over `over_ns`, with 95 % between the bounds, which are equal where none is estimated."""

    over_ns: int
    created: float
    created_low: float
    created_high: float
    exited: float
    exited_low: float
    exited_high: float


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A `go` statement of a process.

    `estimated` is None where nothing is estimated, `shared` where nothing is shared. `per_second` is of about the last
    minute that was observed, and None where the process has ended.
    """

    host: str
    process: ProcessName
    function: str
    file: str
    line: int
    created: int
    exited: int
    live: int
    estimated: Estimate | None = None
    shared: Shared | None = None
    per_second: PerSecond | None = None


@dataclass(frozen=True, slots=True)
class ParkRow:
    """Parks of a process for one reason in `covered_ns`, with 95 % between the bounds; None: nothing bounds them."""

    host: str
    process: ProcessName
    wait_reason: str
    parks: int
    parks_low: int
    parks_high: int | None
    windows: int
    sampled_ns: int
    covered_ns: int


@dataclass(frozen=True, slots=True)
class TimersRow:
    """The newest reading of the pending timers of a process, and how old it is.

    `others` are pending in `other_groups` smaller groups; `unread` says why they could not be read, and is empty if
    they could.
    """

    host: str
    process: ProcessName
    read_unix_nano: int
    age_ns: int
    found: PendingTimers
    others: int
    other_groups: int
    unread: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop-the-world pause."""

    start_unix_nano: int
    duration_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class GcRow:
    """A GC cycle; its number and the heap's figures are None when its agent did not read them."""

    host: str
    process: ProcessName
    cycle: int | None
    start_unix_nano: int
    pauses: Sequence[Pause]
    heap_before_bytes: int | None = None
    heap_after_bytes: int | None = None
    heap_marked_bytes: int | None = None
    heap_goal_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SiteName:
    """Where a `go` statement stands."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Work:
    """The goroutines of a finding that run one function."""

    function: str
    goroutines: int
    cause: str


@dataclass(frozen=True, slots=True)
class Muted:
    """What mutes a finding now; `by` is "" when no name is known, `covers` "finding" or "function"."""

    reason: str
    by: str
    since_unix_nano: int
    until_unix_nano: int
    covers: str


@dataclass(frozen=True, slots=True)
class TimersFound:
    """The pending timers of a finding, with all others of that callback, as they were read last.

    `period_ns` is None where they fire once, `retained_heap_bytes` where the heap was not read.
    """

    kind: str
    callback: str
    repeats: bool
    pending: int
    next_in_ns: int
    period_ns: int | None
    retained_heap_bytes: int | None
    is_estimated: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A site whose live count grew, or grows; or pending timers, if it has `timers`: these are what lives.

    With `is_estimated` not all stacks were read, so numbers of works and stacks are estimates.
    `details` has each witness's numbers in a sentence; `numbers` has them by witness, where a witness has any.
    """

    id: str
    state: str
    confidence: float
    cause: str
    remedy: str
    host: str
    process: ProcessName
    site: SiteName
    live: int
    growth_per_second: float
    first_seen_unix_nano: int
    witnesses: dict[str, str]
    details: dict[str, str]
    pattern: str = ""
    restarts: int = 0
    analysis_age_ns: int | None = None
    waits_in: str = ""
    works: tuple[Work, ...] = ()
    part_of: str = ""
    age_ns: int = 0
    stale: bool = False
    muted: Muted | None = None
    numbers: Mapping[str, WitnessNumbers] = field(default_factory=dict)
    timers: TimersFound | None = None
    container: Container | None = None
    labels: tuple[LabelShare, ...] = ()
    is_estimated: bool = False
    hosts: tuple[HostSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the collector made of a profile that it was given or had taken."""

    snapshot_id: str
    kind: str
    format: str
    goroutines: int
    distinct_stacks: int
    age_ns: int
    recognized: tuple[str, ...] = ()
    passed_over: int = 0
    partial: str = ""
