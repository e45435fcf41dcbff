"""Asks a collector. Plain values come back; gRPC's failures become gosonde's errors."""

from collections.abc import Iterator
from typing import IO, Final

from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.http import HostSeen
from gosonde_common.values.labels import LabelShare
from gosonde_pb.v1 import collector_pb2, model_pb2

from gosonde.audit import AuditRow, audit_of
from gosonde.connection import Connection, tls_from_environment
from gosonde.escapes import PushedEscapes, pieces, pushed_escapes_of
from gosonde.proofs import Searched, searched_of
from gosonde.row_wire import (
    cycle_of,
    finding_of,
    level_name,
    park_of,
    process_of,
    pushed_of,
    site_of,
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
from gosonde.uploads import chunks

__all__ = [
    "SNAPSHOT_KINDS",
    "AuditRow",
    "CollectorClient",
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
    "tls_from_environment",
    "verdict_name",
]

#: What a snapshot may be made from: the process's memory, or its own profiles.
SNAPSHOT_KINDS: Final = {
    "memory": model_pb2.SNAPSHOT_KIND_MEMORY,
    "pprof": model_pb2.SNAPSHOT_KIND_PPROF,
    "pprof-leak": model_pb2.SNAPSHOT_KIND_PPROF_LEAK,
    "pprof-heap": model_pb2.SNAPSHOT_KIND_PPROF_HEAP,
}
#: How long taking a snapshot may last: others may be taken before it.
SNAPSHOT_SECONDS: Final = 180.0


class CollectorClient(Connection):
    """What a collector knows, has done and can be given. Every method raises GosondeError."""

    def processes(self, host: str = "", pid: int = 0, container: Container = NO_CONTAINER) -> list[ProcessRow]:
        """Every process that the collector knows: the running ones first, then the newest.

        Args:
            host: Where it runs; empty for any, as in all lists.
            pid: Its number there; 0 for any.
            container: Namespace, pod and workload of its container, each empty for any.
        """
        request = collector_pb2.ListProcessesRequest(filter=filter_of(host, pid, container))
        return [process_of(row) for row in self.call(self.stub.ListProcesses, request).rows]

    def sites(self, host: str = "", pid: int = 0) -> list[SiteRow]:
        """Every site: running processes first, then the most live goroutines."""
        request = collector_pb2.ListSitesRequest(filter=filter_of(host, pid))
        return [site_of(row) for row in self.call(self.stub.ListSites, request).rows]

    def parks(self, host: str = "", pid: int = 0) -> list[ParkRow]:
        """Every estimate of parks: running processes first, then the most parks."""
        request = collector_pb2.ListParksRequest(filter=filter_of(host, pid))
        return [park_of(row) for row in self.call(self.stub.ListParks, request).rows]

    def timers(self, host: str = "", pid: int = 0) -> list[TimersRow]:
        """The pending timers of each running process, as they were read last."""
        request = collector_pb2.ListTimersRequest(filter=filter_of(host, pid))
        return [timers_of(row) for row in self.call(self.stub.ListTimers, request).rows]

    def gc(self, host: str = "", pid: int = 0, limit: int = 0) -> list[GcRow]:
        """The newest `limit` cycles of each process, newest first; 0 leaves the number to the collector."""
        request = collector_pb2.ListGcCyclesRequest(filter=filter_of(host, pid), limit=limit)
        return [cycle_of(row) for row in self.call(self.stub.ListGcCycles, request).rows]

    def findings(self, host: str = "", pid: int = 0, container: Container = NO_CONTAINER) -> list[Finding]:
        """Every finding, those that grow fastest first, resolved ones last. `container` as in `processes`."""
        request = collector_pb2.ListFindingsRequest(filter=filter_of(host, pid, container))
        return [finding_of(found) for found in self.call(self.stub.ListFindings, request).findings]

    def audit(self, host: str = "", pid: int = 0, since_ns: int = 0, limit: int = 0) -> list[AuditRow]:
        """Who has done what, what was stored last first; of the last `since_ns`, where that is not 0.

        A limit of 0 leaves the number to the collector, which gives 10,000 at most.
        """
        request = collector_pb2.ListAuditEventsRequest(filter=filter_of(host, pid), since_ns=since_ns, limit=limit)
        return [audit_of(row) for row in self.call(self.stub.ListAuditEvents, request).rows]

    def backup(self) -> Iterator[bytes]:
        """The collector's store as it is now, in pieces: a file that a collector can open."""
        for piece in self.stream(self.stub.Backup, collector_pb2.BackupRequest()):
            yield piece.chunk

    def push_snapshot(self, file: IO[bytes], host: str, pid: int, taken_unix_nano: int = 0) -> Pushed:
        """Sends a profile of any kind; a time of 0 means now, unless the profile itself says when it was taken."""
        header = collector_pb2.SnapshotHeader(host=host, pid=pid, taken_unix_nano=taken_unix_nano)
        return pushed_of(self.call(self.stub.PushSnapshot, _pieces(header, file)))

    def push_escapes(self, file: IO[bytes], host: str, pid: int) -> PushedEscapes:
        """Sends what `go build -gcflags='-m -m'` prints on standard error, of the build that the process runs."""
        return pushed_escapes_of(self.call(self.stub.PushEscapes, pieces(host, pid, file)))

    def take_snapshot(self, host: str, pid: int, kind: str = "memory") -> Pushed:
        """Has the host's agent take a snapshot of a process, of a kind in SNAPSHOT_KINDS; the collector stores it."""
        request = collector_pb2.TakeSnapshotRequest(host=host, pid=pid, kind=SNAPSHOT_KINDS[kind])
        answer = self.call(self.stub.TakeSnapshot, request, max(self.timeout_seconds, SNAPSHOT_SECONDS))
        return Pushed(
            answer.snapshot_id,
            answer.kind,
            answer.format,
            answer.goroutines,
            answer.distinct_stacks,
            answer.age_ns,
            partial=answer.partial,
        )

    def prove(self, host: str, pid: int) -> Searched:
        """Has the host's agent search the memory of a process for goroutines that can never run again.

        Raises:
            UnsupportedError: The agent or the collector is too old for that.
            GosondeError: The agent did not search: says why.
        """
        request = collector_pb2.TakeSnapshotRequest(host=host, pid=pid, kind=model_pb2.SNAPSHOT_KIND_PROOF)
        return searched_of(self.call(self.stub.TakeSnapshot, request, max(self.timeout_seconds, SNAPSHOT_SECONDS)))


def _pieces(header: collector_pb2.SnapshotHeader, file: IO[bytes]) -> Iterator[collector_pb2.PushSnapshotRequest]:
    yield collector_pb2.PushSnapshotRequest(header=header)
    for chunk in chunks(file):
        yield collector_pb2.PushSnapshotRequest(chunk=chunk)


def filter_of(host: str, pid: int, container: Container = NO_CONTAINER) -> collector_pb2.ProcessFilter:
    """Which processes a list is to be about."""
    return collector_pb2.ProcessFilter(
        host=host, pid=pid, namespace=container.namespace, pod=container.pod, workload=container.workload
    )
