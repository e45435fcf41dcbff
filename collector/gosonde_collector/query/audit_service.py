"""The part of CollectorService that says who has done what."""

from typing import Any, Final

import grpc
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import InvalidInputError
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc

from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.query import query_wire
from gosonde_collector.query.audit_wire import audit_row
from gosonde_collector.store.protocol import Store

#: Events when the request does not say how many, and the most it may ask for.
DEFAULT_EVENTS: Final = 100
MAX_EVENTS: Final = 10_000

Context = grpc.aio.ServicerContext[Any, Any]


class AuditService(collector_pb2_grpc.CollectorServiceServicer):
    """To be joined with the rest of the service."""

    _store: Store
    _worker: Worker

    async def ListAuditEvents(  # noqa: N802 - gRPC's name
        self,
        request: collector_pb2.ListAuditEventsRequest,
        context: Context,  # noqa: ARG002
    ) -> collector_pb2.ListAuditEventsResponse:
        """See collector.proto.

        Raises:
            InvalidInputError: The filter names a namespace, a pod or a workload.
        """
        which = query_wire.process_filter(request.filter)
        if any(which.names):
            raise InvalidInputError("filter: audit events have no namespace, pod or workload; ask by host and pid")
        limit = min(request.limit or DEFAULT_EVENTS, MAX_EVENTS)
        rows = await self._worker.run(self._audit, which, request.since_ns, limit)
        return collector_pb2.ListAuditEventsResponse(rows=rows)

    def _audit(self, which: ProcessFilter, since_ns: int, limit: int) -> list[collector_pb2.AuditEventRow]:
        now = steady_unix_nano()
        since_unix_nano = max(now - since_ns, 0) if since_ns else 0
        found, ahead = self._store.audit(which, since_unix_nano, limit), self._store.clock_offsets()
        return [audit_row(record, now, ahead.get(record.host, 0) if record.agent else 0) for record in found]
