"""The part of CollectorService to which people push what the compiler says of escapes."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog
from gosonde_common.values.audit import Act
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc

from gosonde_collector.evidence.escapes.identity import check_escapes
from gosonde_collector.evidence.escapes.model import Escapes
from gosonde_collector.evidence.escapes.parse import parse_escapes
from gosonde_collector.evidence.upload import EscapesUpload
from gosonde_collector.model.by import By, client
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.query import escape_wire
from gosonde_collector.query.uploads import Uploads, check_header
from gosonde_collector.snapshots import ownership
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class EscapeService(collector_pb2_grpc.CollectorServiceServicer):
    """To be joined with the rest of the service."""

    _store: Store
    _worker: Worker
    _telemetry: Telemetry
    _uploads: Uploads
    _acts: OwnActs

    async def PushEscapes(  # noqa: N802 - gRPC's name
        self,
        request_iterator: AsyncIterator[collector_pb2.PushEscapesRequest],
        context: Context,
    ) -> collector_pb2.PushEscapesResponse:
        """See collector.proto.

        Raises:
            ProfileError: The file is not what the compiler prints, is damaged, too large, or of another program, or the
                header is missing.
            NotFoundError: No such process is known.
        """
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        header = first.header if first else collector_pb2.EscapesHeader()
        with self._telemetry.evidence("escapes", header.host, header.pid):
            check_header(header.host, header.pid)
            found = await self._uploads.read(requests, EscapesUpload(), parse_escapes)
            return await self._worker.run(self._keep, header.host, header.pid, found, client(context))

    def _keep(self, host: str, pid: int, found: Escapes, by: By) -> collector_pb2.PushEscapesResponse:
        now = ownership.host_now(self._store, host)
        process = ownership.owner(self._store.processes(ProcessFilter()), host, pid, now).process
        if not process.build_id:
            raise ProfileError(f"the build of process {pid} on {host} is not known", Refusal.MISMATCHED)
        totals = self._store.sites(ProcessFilter(host, pid))
        check_escapes(found, [total.site for total in totals if total.process == process.key])
        self._acts.note(Act.ESCAPES_PUSHED, by, host, process.key, detail=f"{len(found.values):,} values")
        has_replaced = self._store.save_escapes(process.build_id, found)
        log.info("escapes stored", host=host, pid=pid, build_id=process.build_id, values=len(found.values))
        return escape_wire.pushed(process.build_id, found, has_replaced=has_replaced)
