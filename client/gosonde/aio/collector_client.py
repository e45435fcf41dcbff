"""Asks a collector. Plain values come back; gRPC's failures become gosonde's errors."""

from collections.abc import Iterator
from typing import IO, Final

from gosonde_common.addresses import COLLECTOR_ADDRESS
from gosonde_common.errors import UsageError
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.http import HostSeen
from gosonde_common.values.labels import LabelShare
from gosonde_pb.v1 import collector_pb2, model_pb2
from gosonde_pb.v1.collector_pb2_grpc import CollectorServiceStub

from gosonde.audit import AuditRow, audit_of
from gosonde.escapes import PushedEscapes, pieces, pushed_escapes_of
from gosonde.explanations import Explanation, Listing, PushedTrace, explanation_of, listing_of, pushed_trace_of
from gosonde.proofs import Searched, searched_of
from gosonde.row_wire import (
    cycle_of,
    finding_of,
    level_name,
    park_of,
    process_of,
    pushed_of,
    site_of,
    taken_of,
    timers_of,
    verdict_name,
)
from gosonde.rows import (
    Estimate,
    Finding,
    GcRow,
    Muted,
    ParkRow,
    Pause,
    PerSecond,
    ProcessName,
    ProcessRow,
    Pushed,
    Shared,
    SiteName,
    SiteRow,
    Step,
    TimersFound,
    TimersRow,
    Work,
)
from gosonde.transport import failures
from gosonde.transport.access import Access
from gosonde.transport.aio import AsyncConnection, AsyncStream
from gosonde.transport.uploads import chunks

__all__ = [
    "SNAPSHOT_KINDS",
    "AsyncCollectorClient",
    "AuditRow",
    "Container",
    "Estimate",
    "Finding",
    "GcRow",
    "HostSeen",
    "LabelShare",
    "Muted",
    "ParkRow",
    "Pause",
    "PerSecond",
    "ProcessName",
    "ProcessRow",
    "Pushed",
    "Shared",
    "SiteName",
    "SiteRow",
    "Step",
    "TimersFound",
    "TimersRow",
    "Work",
    "finding_of",
    "level_name",
    "verdict_name",
]

#: What a snapshot may be made from: the process's memory, or its own profiles.
SNAPSHOT_KINDS: Final = {
    "memory": model_pb2.SNAPSHOT_KIND_MEMORY,
    "pprof": model_pb2.SNAPSHOT_KIND_PPROF,
    "pprof-leak": model_pb2.SNAPSHOT_KIND_PPROF_LEAK,
    "pprof-heap": model_pb2.SNAPSHOT_KIND_PPROF_HEAP,
}
#: How long taking a snapshot may last, before which others may be taken, and sending one, which may have 64 MiB.
SNAPSHOT_SECONDS: Final = 180.0
#: Lists of all sites of a fleet are long; they come from a collector that was chosen.
OPTIONS: Final = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))


class AsyncCollectorClient(AsyncConnection):
    """What a collector knows, has done and can be given; use it as an asynchronous context manager.

    Every method raises GosondeError: UnavailableError when no collector answers within `timeout_seconds`,
    UnauthenticatedError and ForbiddenError when `access` is not enough.

    Args:
        access: None takes it from the environment, as `Access.from_environment` does.
    """

    def __init__(
        self,
        address: str = COLLECTOR_ADDRESS,
        timeout_seconds: float = 30.0,
        access: Access | None = None,
    ) -> None:
        known = access or Access.from_environment()
        super().__init__(address, timeout_seconds, known, failures.of_collector, OPTIONS)
        self._stub = CollectorServiceStub(self._channel)

    async def processes(self, host: str = "", pid: int = 0, container: Container = NO_CONTAINER) -> list[ProcessRow]:
        """Every process that the collector knows: the running ones first, then the newest.

        Args:
            host: Where it runs; empty for any, as in all lists.
            pid: Its number there; 0 for any.
            container: Namespace, pod and workload of its container, each empty for any.
        """
        request = collector_pb2.ListProcessesRequest(filter=filter_of(host, pid, container))
        answer = await self._call(self._stub.ListProcesses, request)
        return [process_of(row) for row in answer.rows]

    async def sites(self, host: str = "", pid: int = 0) -> list[SiteRow]:
        """Every site: running processes first, then the most live goroutines."""
        request = collector_pb2.ListSitesRequest(filter=filter_of(host, pid))
        answer = await self._call(self._stub.ListSites, request)
        return [site_of(row) for row in answer.rows]

    async def parks(self, host: str = "", pid: int = 0) -> list[ParkRow]:
        """Every estimate of parks: running processes first, then the most parks."""
        request = collector_pb2.ListParksRequest(filter=filter_of(host, pid))
        answer = await self._call(self._stub.ListParks, request)
        return [park_of(row) for row in answer.rows]

    async def timers(self, host: str = "", pid: int = 0) -> list[TimersRow]:
        """The pending timers of each running process, as they were read last."""
        request = collector_pb2.ListTimersRequest(filter=filter_of(host, pid))
        answer = await self._call(self._stub.ListTimers, request)
        return [timers_of(row) for row in answer.rows]

    async def gc(self, host: str = "", pid: int = 0, limit: int = 0) -> list[GcRow]:
        """The newest `limit` cycles of each process, newest first; 0 leaves the number to the collector."""
        request = collector_pb2.ListGcCyclesRequest(filter=filter_of(host, pid), limit=limit)
        answer = await self._call(self._stub.ListGcCycles, request)
        return [cycle_of(row) for row in answer.rows]

    async def findings(self, host: str = "", pid: int = 0, container: Container = NO_CONTAINER) -> list[Finding]:
        """Every finding, those that grow fastest first, resolved ones last. `container` as in `processes`."""
        request = collector_pb2.ListFindingsRequest(filter=filter_of(host, pid, container))
        answer = await self._call(self._stub.ListFindings, request)
        return [finding_of(found) for found in answer.findings]

    async def listing(self, host: str = "", pid: int = 0, container: Container = NO_CONTAINER) -> Listing:
        """What `findings` gives, and how old it is."""
        request = collector_pb2.ListFindingsRequest(filter=filter_of(host, pid, container))
        return listing_of(await self._call(self._stub.ListFindings, request))

    async def explain(self, finding_id: str) -> Explanation:
        """A finding with its evidence. Raises NotFoundError when there is no such finding."""
        request = collector_pb2.ExplainFindingRequest(id=finding_id)
        return explanation_of(await self._call(self._stub.ExplainFinding, request))

    def watch(self, host: str = "", pid: int = 0, container: Container = NO_CONTAINER) -> AsyncStream[Finding]:
        """Every finding as it is now, then each again when its state, its cause or a witness changes; without end."""
        request = collector_pb2.WatchFindingsRequest(filter=filter_of(host, pid, container))
        return self._stream(self._stub.WatchFindings, request, lambda answer: (finding_of(answer.finding),))

    async def audit(self, host: str = "", pid: int = 0, since_ns: int = 0, limit: int = 0) -> list[AuditRow]:
        """Who has done what, what was stored last first; of the last `since_ns`, where that is not 0.

        A limit of 0 leaves the number to the collector, which gives 10,000 at most.
        """
        request = collector_pb2.ListAuditEventsRequest(filter=filter_of(host, pid), since_ns=since_ns, limit=limit)
        answer = await self._call(self._stub.ListAuditEvents, request)
        return [audit_of(row) for row in answer.rows]

    def backup(self) -> AsyncStream[bytes]:
        """The collector's store as it is now, in pieces: a file that a collector can open."""
        return self._stream(self._stub.Backup, collector_pb2.BackupRequest(), lambda piece: (piece.chunk,))

    async def push_snapshot(self, file: IO[bytes], host: str, pid: int, taken_unix_nano: int = 0) -> Pushed:
        """Sends a profile of any kind; a time of 0 means now, unless the profile itself says when it was taken."""
        header = collector_pb2.SnapshotHeader(host=host, pid=pid, taken_unix_nano=taken_unix_nano)
        return pushed_of(await self._upload(self._stub.PushSnapshot, _pieces(header, file), SNAPSHOT_SECONDS))

    async def push_escapes(self, file: IO[bytes], host: str, pid: int) -> PushedEscapes:
        """Sends what `go build -gcflags='-m -m'` prints on standard error, of the build that the process runs."""
        return pushed_escapes_of(await self._upload(self._stub.PushEscapes, pieces(host, pid, file), SNAPSHOT_SECONDS))

    async def take_snapshot(self, host: str, pid: int, kind: str = "memory") -> Pushed:
        """Has the host's agent take a snapshot of a process, of a kind in SNAPSHOT_KINDS; the collector stores it."""
        if kind not in SNAPSHOT_KINDS:
            raise UsageError(f"{kind!r} is no kind of snapshot: there are {', '.join(SNAPSHOT_KINDS)}")
        request = collector_pb2.TakeSnapshotRequest(host=host, pid=pid, kind=SNAPSHOT_KINDS[kind])
        return taken_of(await self._call(self._stub.TakeSnapshot, request, max(self.timeout_seconds, SNAPSHOT_SECONDS)))

    async def prove(self, host: str, pid: int) -> Searched:
        """Has the host's agent search the memory of a process for goroutines that can never run again.

        Raises:
            UnsupportedError: The agent or the collector is too old for that.
            GosondeError: The agent did not search: says why.
        """
        request = collector_pb2.TakeSnapshotRequest(host=host, pid=pid, kind=model_pb2.SNAPSHOT_KIND_PROOF)
        answer = await self._call(self._stub.TakeSnapshot, request, max(self.timeout_seconds, SNAPSHOT_SECONDS))
        return searched_of(answer)

    async def push_gctrace(self, lines: bytes, host: str, pid: int) -> PushedTrace:
        """Sends whole lines of a process's log, at most 4 MiB."""
        request = collector_pb2.PushGcTraceRequest(host=host, pid=pid, lines=lines)
        return pushed_trace_of(await self._call(self._stub.PushGcTrace, request))


def _pieces(header: collector_pb2.SnapshotHeader, file: IO[bytes]) -> Iterator[collector_pb2.PushSnapshotRequest]:
    yield collector_pb2.PushSnapshotRequest(header=header)
    for chunk in chunks(file):
        yield collector_pb2.PushSnapshotRequest(chunk=chunk)


def filter_of(host: str, pid: int, container: Container = NO_CONTAINER) -> collector_pb2.ProcessFilter:
    """Which processes a list is to be about."""
    return collector_pb2.ProcessFilter(
        host=host, pid=pid, namespace=container.namespace, pod=container.pod, workload=container.workload
    )
