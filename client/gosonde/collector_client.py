"""Asks a collector. Plain values come back; gRPC's failures become gosonde's errors."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Final, Self, TypeVar

import grpc
from gosonde_common import channels
from gosonde_common.addresses import COLLECTOR_ADDRESS, ClientTls, is_local
from gosonde_common.errors import (
    ForbiddenError,
    GosondeError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
    UsageError,
)
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc, model_pb2

from gosonde.proofs import Searched, searched_of

#: What a snapshot may be made from: the process's memory, or its own profiles.
SNAPSHOT_KINDS: Final = {
    "memory": model_pb2.SNAPSHOT_KIND_MEMORY,
    "pprof": model_pb2.SNAPSHOT_KIND_PPROF,
    "pprof-leak": model_pb2.SNAPSHOT_KIND_PPROF_LEAK,
    "pprof-heap": model_pb2.SNAPSHOT_KIND_PPROF_HEAP,
}
TIMEOUT_SECONDS: Final = 30.0
#: How long taking a snapshot may last: others may be taken before it.
SNAPSHOT_SECONDS: Final = 180.0
CHUNK_BYTES: Final = 1 << 20

ERROR_OF: Final[dict[grpc.StatusCode, type[GosondeError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: UnsupportedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
}

Response = TypeVar("Response")


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
class Finding:
    """A site whose live count grew, or grows. `details` has each witness's numbers in a sentence."""

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


class CollectorClient:
    """A connection to one collector, to be used in a `with` statement. Every method raises GosondeError."""

    def __init__(self, address: str = COLLECTOR_ADDRESS, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._address = address
        self._timeout = timeout_seconds
        self._metadata = _metadata(address)
        # Lists of all sites of a fleet are long; they come from a collector that was chosen.
        options = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
        self._channel = channels.channel(address, tls_from_environment(), options)
        self._stub = collector_pb2_grpc.CollectorServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def processes(self, host: str = "", pid: int = 0) -> list[ProcessRow]:
        """Every process that the collector knows: the running ones first, then the newest."""
        request = collector_pb2.ListProcessesRequest(filter=_filter(host, pid))
        return [_process(row) for row in self._call(self._stub.ListProcesses, request).rows]

    def sites(self, host: str = "", pid: int = 0) -> list[SiteRow]:
        """Every site: running processes first, then the most live goroutines."""
        request = collector_pb2.ListSitesRequest(filter=_filter(host, pid))
        return [_site(row) for row in self._call(self._stub.ListSites, request).rows]

    def parks(self, host: str = "", pid: int = 0) -> list[ParkRow]:
        """Every estimate of parks: running processes first, then the most parks."""
        request = collector_pb2.ListParksRequest(filter=_filter(host, pid))
        return [_park(row) for row in self._call(self._stub.ListParks, request).rows]

    def gc(self, host: str = "", pid: int = 0, limit: int = 0) -> list[GcRow]:
        """The newest `limit` cycles of each process, newest first; 0 leaves the number to the collector."""
        request = collector_pb2.ListGcCyclesRequest(filter=_filter(host, pid), limit=limit)
        return [_cycle(row) for row in self._call(self._stub.ListGcCycles, request).rows]

    def findings(self, host: str = "", pid: int = 0) -> list[Finding]:
        """Every finding, those that grow fastest first, resolved ones last."""
        request = collector_pb2.ListFindingsRequest(filter=_filter(host, pid))
        return [finding_of(found) for found in self._call(self._stub.ListFindings, request).findings]

    def backup(self) -> Iterator[bytes]:
        """The collector's store as it is now, in pieces: a file that a collector can open."""
        with self._errors():
            for piece in self._stub.Backup(collector_pb2.BackupRequest(), metadata=self._metadata):
                yield piece.chunk

    def push_snapshot(self, file: IO[bytes], host: str, pid: int, taken_unix_nano: int = 0) -> Pushed:
        """Sends a profile of any kind; a time of 0 means now, unless the profile itself says when it was taken."""
        header = collector_pb2.SnapshotHeader(host=host, pid=pid, taken_unix_nano=taken_unix_nano)
        answer = self._call(self._stub.PushSnapshot, _pieces(header, file))
        return Pushed(
            answer.snapshot_id,
            answer.kind,
            answer.format,
            answer.goroutines,
            answer.distinct_stacks,
            answer.age_ns,
            tuple(answer.recognized),
            answer.passed_over,
            answer.partial,
        )

    def take_snapshot(self, host: str, pid: int, kind: str = "memory") -> Pushed:
        """Has the host's agent take a snapshot of a process, of a kind in SNAPSHOT_KINDS; the collector stores it."""
        request = collector_pb2.TakeSnapshotRequest(host=host, pid=pid, kind=SNAPSHOT_KINDS[kind])
        answer = self._call(self._stub.TakeSnapshot, request, max(self._timeout, SNAPSHOT_SECONDS))
        return Pushed(
            answer.snapshot_id, answer.kind, answer.format, answer.goroutines, answer.distinct_stacks, answer.age_ns
        )

    def prove(self, host: str, pid: int) -> Searched:
        """Has the host's agent search the memory of a process for goroutines that can never run again.

        Raises:
            UnsupportedError: The agent or the collector is too old for that.
            GosondeError: The agent did not search: says why.
        """
        request = collector_pb2.TakeSnapshotRequest(host=host, pid=pid, kind=model_pb2.SNAPSHOT_KIND_PROOF)
        return searched_of(self._call(self._stub.TakeSnapshot, request, max(self._timeout, SNAPSHOT_SECONDS)))

    def _call(self, method: Callable[..., Response], request: object, timeout: float | None = None) -> Response:
        with self._errors():
            return method(request, timeout=timeout or self._timeout, metadata=self._metadata)

    def _stream(self, method: Callable[..., Iterator[Response]], request: object) -> Iterator[Response]:
        with self._errors():
            yield from method(request, metadata=self._metadata)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise UnavailableError(
                    f"the collector at {self._address} does not answer ({details}); start it with "
                    f"`gosonde collector`, or name another with --collector HOST:PORT"
                ) from error
            raise ERROR_OF.get(code, GosondeError)(details or code.name) from error


def tls_from_environment() -> ClientTls | None:
    """The files that GOSONDE_CA, GOSONDE_CERT and GOSONDE_KEY name; None when there is no GOSONDE_CA."""
    ca, cert, key = (os.environ.get(name) for name in ("GOSONDE_CA", "GOSONDE_CERT", "GOSONDE_KEY"))
    return ClientTls(Path(ca), Path(cert) if cert else None, Path(key) if key else None) if ca else None


def _metadata(address: str) -> tuple[tuple[str, str], ...]:
    token = os.environ.get("GOSONDE_TOKEN", "").strip()
    if not token:
        return ()
    if not (is_local(address) or os.environ.get("GOSONDE_CA")):
        raise UsageError(
            f"the token is not sent to {address} in plain text; name the collector's authority: GOSONDE_CA"
        )
    return (("authorization", f"Bearer {token}"),)


def _pieces(header: collector_pb2.SnapshotHeader, file: IO[bytes]) -> Iterator[collector_pb2.PushSnapshotRequest]:
    yield collector_pb2.PushSnapshotRequest(header=header)
    while chunk := file.read(CHUNK_BYTES):
        yield collector_pb2.PushSnapshotRequest(chunk=chunk)


def _filter(host: str, pid: int) -> collector_pb2.ProcessFilter:
    return collector_pb2.ProcessFilter(host=host, pid=pid)


def _process(row: collector_pb2.ProcessRow) -> ProcessRow:
    process = row.process
    return ProcessRow(
        row.host,
        process.key.pid,
        process.exe,
        process.go_version,
        process.build_id,
        process.started_unix_nano,
        level_name(process.level),
        row.created,
        row.exited,
        row.baseline + row.created - row.exited,
        row.target_ppm / 1e4,
        row.core_ppm / 1e4,
        not process.imprecise,
        [
            Step(
                step.at_unix_nano,
                level_name(step.level),
                model_pb2.StepReason.Name(step.reason).removeprefix("STEP_REASON_").lower(),
                step.target_ppm / 1e4,
            )
            for step in process.steps
        ],
        row.clock_offset_ns,
        row.age_ns,
        row.is_stale,
        process.sums,
        row.no_probes_because,
        _source(process),
    )


def _source(process: model_pb2.Process) -> str:
    """What watches a process: "ebpf", "memory" where the agent may place no probes, or "" when it is refused."""
    if process.level == model_pb2.LEVEL_REFUSED:
        return ""
    has_none = bool(process.steps) and process.steps[-1].reason == model_pb2.STEP_REASON_NO_PROBES
    return "memory" if has_none else "ebpf"


def level_name(level: model_pb2.Level.ValueType) -> str:
    """ "full", "creation", "sampled", "memory", "off" or "refused"."""
    return model_pb2.Level.Name(level).removeprefix("LEVEL_").lower()


def _site(row: collector_pb2.SiteRow) -> SiteRow:
    site, found = row.site, row.estimate
    name = ProcessName(row.process.pid, row.exe)
    live = row.baseline + row.created - row.exited
    known = SiteRow(row.host, name, site.function, site.file, site.line, row.created, row.exited, live)
    if row.HasField("turnover") and row.turnover.over_ns:
        known = replace(known, per_second=_per_second(row.turnover))
    if row.HasField("estimate"):
        return replace(known, estimated=Estimate(*(getattr(found, field.name) for field in fields(Estimate))))
    if row.shared_created or row.shared_exited:
        return replace(known, shared=Shared(row.shared_created, row.shared_exited))
    return known


def _per_second(found: collector_pb2.Turnover) -> PerSecond:
    seconds = found.over_ns / 1e9
    rates = (getattr(found, field.name) / seconds for field in fields(PerSecond)[1:])
    return PerSecond(found.over_ns, *rates)


def _park(row: collector_pb2.ParkRow) -> ParkRow:
    return ParkRow(
        row.host,
        ProcessName(row.process.pid, row.exe),
        row.wait_reason,
        row.parks,
        row.parks_low,
        row.parks_high if row.HasField("parks_high") else None,
        row.windows,
        row.sampled_ns,
        row.covered_ns,
    )


def _cycle(row: collector_pb2.GcCycleRow) -> GcRow:
    pauses = [Pause(pause.start_unix_nano, pause.duration_ns, pause.reason) for pause in row.pauses]
    process, heap = ProcessName(row.process.pid, row.exe), row.heap
    known = GcRow(row.host, process, row.cycle or None, row.start_unix_nano, pauses)
    if not row.HasField("heap"):
        return known
    return replace(
        known,
        heap_before_bytes=heap.before_bytes,
        heap_after_bytes=heap.after_bytes,
        heap_marked_bytes=heap.marked_bytes,
        heap_goal_bytes=heap.goal_bytes or None,
    )


def verdict_name(verdict: collector_pb2.Verdict.ValueType) -> str:
    """ "agrees", "disagrees" or "silent"."""
    return collector_pb2.Verdict.Name(verdict).removeprefix("VERDICT_").lower()


def finding_of(found: collector_pb2.Finding) -> Finding:
    """The message as a plain value."""
    return Finding(
        found.id,
        collector_pb2.FindingState.Name(found.state).removeprefix("FINDING_STATE_").lower(),
        found.confidence,
        found.cause,
        found.remedy,
        found.host,
        ProcessName(found.process.pid, found.exe),
        SiteName(found.site.function, found.site.file, found.site.line),
        found.live,
        found.growth_per_second,
        found.first_seen_unix_nano,
        {witness.name: verdict_name(witness.verdict) for witness in found.witnesses},
        {witness.name: witness.detail for witness in found.witnesses},
        found.pattern,
        found.restarts,
        waits_in=found.waits_in,
        works=tuple(Work(work.function, work.goroutines, work.cause) for work in found.works),
        part_of=found.part_of,
        age_ns=found.age_ns,
        stale=found.is_stale,
    )
