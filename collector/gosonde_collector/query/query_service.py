"""The gRPC service that people and programs ask."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.audit import Act
from gosonde_pb.v1 import collector_pb2

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.evidence.identity import check_goroutines, check_program
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_collector.model import by
from gosonde_collector.model.errors import ProfileError
from gosonde_collector.model.values import ProcessFilter, SnapshotKind
from gosonde_collector.model.worker import Worker
from gosonde_collector.query import query_wire
from gosonde_collector.query.audit_service import AuditService
from gosonde_collector.query.escape_service import EscapeService
from gosonde_collector.query.finding_service import FindingService
from gosonde_collector.query.uploads import Uploads, check_header
from gosonde_collector.snapshots import ownership
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Running, TimersRead
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs

log = structlog.get_logger(__name__)

#: Cycles of each process when the request does not say how many, and the most it may ask for.
DEFAULT_CYCLES: Final = 100
MAX_CYCLES: Final = 10_000
#: Bytes of one message of a backup.
BACKUP_PIECE_BYTES: Final = 1 << 20

Context = grpc.aio.ServicerContext[Any, Any]
Requests = AsyncIterator[collector_pb2.PushSnapshotRequest]


class QueryService(FindingService, AuditService, EscapeService):
    """Answers from the store and from the analyst's findings."""

    def __init__(
        self,
        store: Store,
        worker: Worker,
        analyst: Analyst,
        telemetry: Telemetry,
        *,
        snapshots: SnapshotRequests,
        acts: OwnActs,
    ) -> None:
        self._store = store
        self._worker = worker
        self._analyst = analyst
        self._telemetry = telemetry
        self._snapshots = snapshots
        self._acts = acts
        self._uploads = Uploads()

    async def ListProcesses(  # noqa: N802 - gRPC's name, as all below
        self,
        request: collector_pb2.ListProcessesRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ListProcessesResponse:
        """See collector.proto."""
        rows = await self._worker.run(self._processes, query_wire.process_filter(request.filter))
        return collector_pb2.ListProcessesResponse(rows=rows)

    def _processes(self, which: ProcessFilter) -> list[collector_pb2.ProcessRow]:
        known, ahead = self._store.processes(which), self._store.clock_offsets()
        now = steady_unix_nano()
        because = self._analyst.no_probes.because
        return [query_wire.process_row(row, now, ahead.get(row.host, 0), because(row.host)) for row in known]

    async def ListSites(  # noqa: N802
        self,
        request: collector_pb2.ListSitesRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ListSitesResponse:
        """See collector.proto."""
        which = query_wire.process_filter(request.filter)
        rows = await self._worker.run(lambda: query_wire.site_rows(self._store.sites(which)))
        return collector_pb2.ListSitesResponse(rows=rows)

    async def ListGcCycles(  # noqa: N802
        self,
        request: collector_pb2.ListGcCyclesRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ListGcCyclesResponse:
        """See collector.proto."""
        limit = min(request.limit or DEFAULT_CYCLES, MAX_CYCLES)
        which = query_wire.process_filter(request.filter)
        rows = await self._worker.run(lambda: list(map(query_wire.gc_cycle_row, self._store.gc_cycles(which, limit))))
        return collector_pb2.ListGcCyclesResponse(rows=rows)

    async def ListParks(  # noqa: N802
        self,
        request: collector_pb2.ListParksRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ListParksResponse:
        """See collector.proto."""
        totals = await self._worker.run(self._store.parks, query_wire.process_filter(request.filter))
        return collector_pb2.ListParksResponse(rows=map(query_wire.park_row, totals))

    async def ListTimers(  # noqa: N802
        self,
        request: collector_pb2.ListTimersRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ListTimersResponse:
        """See collector.proto."""
        which, now = query_wire.process_filter(request.filter), steady_unix_nano()
        newest = self._analyst.timers.newest.values()
        return collector_pb2.ListTimersResponse(
            rows=[
                query_wire.timers_row(of, read, self._telemetry.newest.age_of(of.host, now)[0] + _before(of, read))
                for of, read in newest
                if which.has(of.host, of.process.key.pid, of.process.container)
            ]
        )

    async def ListFindings(  # noqa: N802
        self,
        request: collector_pb2.ListFindingsRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ListFindingsResponse:
        """See collector.proto."""
        which = query_wire.process_filter(request.filter)
        findings = await self._worker.run(self._findings, which)
        freshness = self._analyst.freshness
        return collector_pb2.ListFindingsResponse(
            findings=findings,
            analysis_age_ns=freshness.age_ns(),
            analysis_is_stale=freshness.is_stale(),
        )

    def _findings(self, which: ProcessFilter) -> list[collector_pb2.Finding]:
        return list(map(self._message, self._analyst.findings(which)))

    async def Backup(  # noqa: N802
        self,
        request: collector_pb2.BackupRequest,  # noqa: ARG002
        context: Context,
    ) -> AsyncIterator[collector_pb2.BackupResponse]:
        """See collector.proto.

        Raises:
            DiskFullError: There is no room for a second copy on the store's disk.
        """
        await self._worker.run(self._acts.note, Act.BACKUP_MADE, by.client(context))
        with await self._worker.run(self._store.backup) as file:
            while piece := await asyncio.to_thread(file.read, BACKUP_PIECE_BYTES):
                yield collector_pb2.BackupResponse(chunk=piece)

    async def PushSnapshot(  # noqa: N802
        self,
        request_iterator: Requests,
        context: Context,
    ) -> collector_pb2.PushSnapshotResponse:
        """See collector.proto.

        Raises:
            ProfileError: The file is no profile, damaged, too large or another process's, or the header is missing.
            NotFoundError: No such process is known.
        """
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        header = first.header if first else collector_pb2.SnapshotHeader()
        with self._telemetry.evidence("profile", header.host, header.pid):
            return await self._pushed(header, requests, by.client(context))

    async def _pushed(
        self, header: collector_pb2.SnapshotHeader, requests: Requests, who: by.By
    ) -> collector_pb2.PushSnapshotResponse:
        check_header(header.host, header.pid)
        profile = await self._uploads.read(requests, ProfileUpload(), parse_profile)
        now = await self._worker.run(ownership.host_now, self._store, header.host)
        taken = ownership.taken_at(profile.taken_unix_nano, header.taken_unix_nano, now)
        known = await self._worker.run(self._store.processes, ProcessFilter())
        process = ownership.owner(known, header.host, header.pid, taken).process.key
        totals = await self._worker.run(self._store.sites, ProcessFilter(header.host, header.pid))
        own = [total for total in totals if total.process == process]
        check_program(profile, [total.site for total in own])
        check_goroutines(profile, own)
        note = self._acts.note
        await self._worker.run(note, Act.PROFILE_PUSHED, who, header.host, process, detail=f"{profile.kind} profile")
        snapshot_id = await self._snapshots.keep(header.host, process, taken, profile)
        self._telemetry.evidence_age("profile", now - taken)
        return query_wire.push_answer(snapshot_id, profile, now - taken)

    async def TakeSnapshot(  # noqa: N802
        self,
        request: collector_pb2.TakeSnapshotRequest,
        context: Context,
    ) -> collector_pb2.TakeSnapshotResponse:
        """See collector.proto.

        Raises:
            ProfileError: The request names no host or no pid.
            NotFoundError: No such process is known, or no agent of its host is connected.
            UnsupportedError: Nobody can take such a snapshot.
            OverloadedError: Too many are asked for.
            SnapshotError: The agent did not take it.
        """
        if not request.host or not request.pid:
            raise ProfileError("the request names no host or no pid")
        kind = query_wire.snapshot_kind(request.kind)
        if kind is SnapshotKind.PROOF:
            return query_wire.proved_answer(await self._snapshots.prove(request.host, request.pid, by.client(context)))
        return query_wire.take_answer(await self._snapshots.take(request.host, request.pid, kind, by.client(context)))


def _before(of: Running, read: TimersRead) -> int:
    """How long before the newest observation of the process its timers were read, in nanoseconds."""
    return max(of.until_unix_nano - read.read_unix_nano, 0)
