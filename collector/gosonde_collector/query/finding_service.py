"""The part of CollectorService that explains and watches findings, and takes gctrace logs in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import UnavailableError
from gosonde_common.values.audit import Act
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.explanation import explain
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.gctraces import Comparison, compare
from gosonde_collector.evidence.gctrace import GcTrace, parse_gctrace
from gosonde_collector.model.by import By, client
from gosonde_collector.model.errors import ProfileError
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.query import finding_wire, query_wire
from gosonde_collector.snapshots import ownership
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs

#: How often a watcher is sent what changed, in seconds.
WATCH_S: Final = 1.0
#: Watchers at the same time.
MAX_WATCHERS: Final = 64
#: Cycles of a process that a log is compared with.
CYCLES: Final = 1_000

Context = grpc.aio.ServicerContext[Any, Any]


class FindingService(collector_pb2_grpc.CollectorServiceServicer):
    """To be joined with the rest of the service."""

    _store: Store
    _worker: Worker
    _analyst: Analyst
    _telemetry: Telemetry
    _acts: OwnActs
    _watchers = 0

    async def ExplainFinding(  # noqa: N802 - gRPC's name, as all below
        self,
        request: collector_pb2.ExplainFindingRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ExplainFindingResponse:
        """See collector.proto.

        Raises:
            NotFoundError: There is no such finding.
        """
        found = await self._worker.run(explain, self._store, self._analyst, request.id)
        ahead = await self._worker.run(self._store.clock_offsets)
        message = self._message(found.finding)
        answer = finding_wire.explanation(found, message, ahead.get(found.finding.host, 0))
        answer.analysis_age_ns = self._analyst.freshness.age_ns()
        answer.analysis_is_stale = self._analyst.freshness.is_stale()
        return answer

    def _message(self, found: Finding) -> collector_pb2.Finding:
        age = self._telemetry.newest.age_of(found.host, steady_unix_nano())
        part_of, muted = self._analyst.parts.get(found.id, ""), self._analyst.mutes.of(found)
        return query_wire.finding_message(found, age, part_of, muted)

    async def WatchFindings(  # noqa: N802
        self,
        request: collector_pb2.WatchFindingsRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[collector_pb2.WatchFindingsResponse]:
        """See collector.proto.

        Raises:
            UnavailableError: There are as many watchers as are allowed.
        """
        if self._watchers >= MAX_WATCHERS:
            raise UnavailableError(f"{MAX_WATCHERS} clients watch the findings already; try again later")
        self._watchers += 1
        try:
            reported: dict[str, object] = {}
            while True:
                for finding in self._analyst.findings(query_wire.process_filter(request.filter)):
                    content = _content(finding), self._analyst.mutes.of(finding)
                    if reported.get(finding.id) != content:
                        reported[finding.id] = content
                        yield collector_pb2.WatchFindingsResponse(finding=self._message(finding))
                await asyncio.sleep(WATCH_S)
        finally:
            self._watchers -= 1

    async def PushGcTrace(  # noqa: N802
        self,
        request: collector_pb2.PushGcTraceRequest,
        context: Context,
    ) -> collector_pb2.PushGcTraceResponse:
        """See collector.proto.

        Raises:
            ProfileError: The lines are damaged, too many, or another process's.
            NotFoundError: No such process is known.
        """
        with self._telemetry.evidence("gctrace", request.host, request.pid):
            if not request.host or not request.pid:
                raise ProfileError("the request names no host or no pid")
            trace = parse_gctrace(request.lines)
            compared = await self._worker.run(self._take, request.host, request.pid, trace, client(context))
        return finding_wire.trace_answer(trace, compared)

    def _take(self, host: str, pid: int, trace: GcTrace, by: By) -> Comparison:
        now = ownership.host_now(self._store, host)
        known = self._store.processes(ProcessFilter())
        process = ownership.owner(known, host, pid, now).process
        self._acts.note(Act.GCTRACE_PUSHED, by, host, process.key, detail=f"{len(trace.lines):,} lines")
        self._analyst.traces.add(host, process, trace.lines, now)
        cycles = [c for c in self._store.gc_cycles(ProcessFilter(host, pid), CYCLES) if c.process == process.key]
        return compare(process, trace.lines, cycles)


def _content(finding: Finding) -> object:
    """What a watcher wants to hear of when it changes: numbers alone do not count."""
    return finding.state, finding.cause, tuple((witness.name, witness.verdict) for witness in finding.witnesses)
