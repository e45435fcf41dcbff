"""The gRPC service that agents stream to."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import grpc
import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.ratelimit import MessageLimiter
from gosonde_pb.v1 import ingest_pb2, ingest_pb2_grpc

from gosonde_collector.ingest.access import Access
from gosonde_collector.ingest.committer import Committer
from gosonde_collector.ingest.quotas import QuotaKeeper
from gosonde_collector.ingest.wire import (
    acknowledgement,
    decode_batch,
    decode_hello,
    decode_kinds,
    decode_piece,
)
from gosonde_collector.model.errors import BatchError
from gosonde_collector.model.no_probes import NoProbes
from gosonde_collector.model.values import Stream
from gosonde_collector.model.worker import Worker
from gosonde_collector.snapshots.link import AgentLink
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry

log = structlog.get_logger(__name__)

#: Time in which a stream must say its hello, in seconds.
HELLO_SECONDS: Final = 10.0

Context = grpc.aio.ServicerContext[ingest_pb2.StreamObservationsRequest, ingest_pb2.StreamObservationsResponse]
Requests = AsyncIterator[ingest_pb2.StreamObservationsRequest]
Responses = AsyncIterator[ingest_pb2.StreamObservationsResponse]


class IngestService(ingest_pb2_grpc.IngestServiceServicer):
    """Checks every batch, has it committed, then acknowledges it; hands requests for snapshots on."""

    def __init__(
        self,
        store: Store,
        committer: Committer,
        access: Access,
        telemetry: Telemetry,
        *,
        snapshots: SnapshotRequests,
        no_probes: NoProbes,
        checking: Worker,
    ) -> None:
        self._checking = checking
        self._quotas = QuotaKeeper(telemetry.running, telemetry)
        self._store = store
        self._committer = committer
        self._access = access
        self._telemetry = telemetry
        self._snapshots = snapshots
        self._no_probes = no_probes
        self._message_limiter = MessageLimiter()

    async def StreamObservations(  # noqa: N802 - gRPC's name
        self, request_iterator: Requests, context: Context
    ) -> Responses:
        """See ingest.proto.

        Raises:
            BatchError: A message breaks the protocol as a whole; what was acknowledged before stays stored.
            StoreError: The store failed; the batch is not stored.
            DiskFullError: There is no room; the batch is not stored.
            OverloadedError: A batch is too large, or there are too many streams.
            ForbiddenError: The agent's certificate is for another host.
            UnauthenticatedError: The certificate was revoked.
        """
        requests = aiter(request_iterator)
        hello = await _hello(requests)
        stream = decode_hello(hello)
        self._access.check_host(stream.host, context)
        agent = log.bind(agent_id=stream.agent_id, host=stream.host, peer=context.peer())
        with self._access.stream(stream.host, stream.agent_id), self._telemetry.agents.track_inprogress():
            agent.info(
                "agent connected",
                version=stream.agent_version,
                agent_run=stream.agent_run,
                previous_end=stream.previous_end,
            )
            self._no_probes.learn(stream.host, hello.hello.no_probes_because)
            try:
                with self._snapshots.connected(stream, decode_kinds(hello)) as link:
                    async for response in self._answers(link, requests, context):
                        yield response
            except GosondeError as error:
                agent.warning("stream ended", reason=str(error))
                raise
            finally:
                agent.info("agent disconnected")

    async def _answers(self, link: AgentLink, requests: Requests, context: Context) -> Responses:
        acknowledged = self._store.acknowledged(link.stream)  # in memory: no agent waits for a backup
        yield acknowledgement(acknowledged)
        coming = asyncio.ensure_future(anext(requests, None))
        wanted = asyncio.ensure_future(link.outgoing.get())
        try:
            while True:
                await asyncio.wait((coming, wanted), return_when=asyncio.FIRST_COMPLETED)
                if wanted.done():
                    yield acknowledgement(acknowledged, wanted.result())
                    wanted = asyncio.ensure_future(link.outgoing.get())
                if coming.done():
                    if (request := coming.result()) is None:
                        return
                    self._access.check_certificate(context)
                    sequence = await self._taken_in(link, request)
                    coming = asyncio.ensure_future(anext(requests, None))
                    if sequence:
                        acknowledged = max(acknowledged, sequence)
                        yield acknowledgement(acknowledged)
        finally:
            coming.cancel()
            wanted.cancel()

    async def _taken_in(self, link: AgentLink, request: ingest_pb2.StreamObservationsRequest) -> int:
        """The number of the batch that is stored now; 0 for what is not acknowledged."""
        if piece := decode_piece(request):
            await link.feed(piece)
            return 0
        began = time.monotonic()
        sequence = await self._stored(link.stream, request)
        self._telemetry.acknowledge_seconds.observe(time.monotonic() - began)
        return sequence

    async def _stored(self, stream: Stream, request: ingest_pb2.StreamObservationsRequest) -> int:
        batch = await self._checking.run(lambda: self._quotas.limited(decode_batch(stream, request)))
        await self._committer.commit(batch)
        self._telemetry.stored(batch)
        if batch.left_out and self._message_limiter.allows(stream.host):
            log.warning(
                "some of a batch was wrong and is left out", host=stream.host, reason=batch.fault, **batch.left_out
            )
        return batch.sequence


async def _hello(requests: Requests) -> ingest_pb2.StreamObservationsRequest:
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            first = await anext(requests, None)
    except TimeoutError as error:
        raise BatchError(f"the stream sent no hello in {HELLO_SECONDS:g} s") from error
    if first is None:
        raise BatchError("the stream ended before its hello")
    return first
