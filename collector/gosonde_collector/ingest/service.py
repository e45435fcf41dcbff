"""The gRPC service that agents stream to."""

from collections.abc import AsyncIterator

import grpc
import structlog
from gosonde_pb.v1 import ingest_pb2, ingest_pb2_grpc

from gosonde_collector.errors import BatchError
from gosonde_collector.ingest.committer import Committer
from gosonde_collector.ingest.wire import decode_batch, decode_hello
from gosonde_collector.model import Stream
from gosonde_collector.store.protocol import Store
from gosonde_collector.worker import Worker

log = structlog.get_logger(__name__)

Requests = AsyncIterator[ingest_pb2.StreamObservationsRequest]
Responses = AsyncIterator[ingest_pb2.StreamObservationsResponse]


class IngestService(ingest_pb2_grpc.IngestServiceServicer):
    """Checks every batch, has it committed, then acknowledges it."""

    def __init__(self, store: Store, worker: Worker, committer: Committer) -> None:
        self._store = store
        self._worker = worker
        self._committer = committer

    async def StreamObservations(  # noqa: N802 - gRPC's name
        self,
        request_iterator: Requests,
        context: grpc.aio.ServicerContext[ingest_pb2.StreamObservationsRequest, ingest_pb2.StreamObservationsResponse],
    ) -> Responses:
        """See ingest.proto.

        Raises:
            BatchError: A message breaks the protocol; what was acknowledged before stays stored.
            StoreError: The store failed; the batch is not stored.
        """
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        if first is None:
            raise BatchError("the stream ended before its hello")
        stream = decode_hello(first)
        agent = log.bind(agent_id=stream.agent_id, host=stream.host, peer=context.peer())
        agent.info(
            "agent connected",
            version=stream.agent_version,
            agent_run=stream.agent_run,
            previous_end=stream.previous_end,
        )
        try:
            async for response in self._answers(stream, requests):
                yield response
        except BatchError as error:
            agent.warning("batch refused", reason=str(error))
            raise
        finally:
            agent.info("agent disconnected")

    async def _answers(self, stream: Stream, requests: Requests) -> Responses:
        acknowledged = await self._worker.run(self._store.acknowledged, stream)
        yield ingest_pb2.StreamObservationsResponse(acknowledged_sequence=acknowledged)
        async for request in requests:
            batch = decode_batch(stream, request)
            await self._committer.commit(batch)
            acknowledged = max(acknowledged, batch.sequence)
            yield ingest_pb2.StreamObservationsResponse(acknowledged_sequence=acknowledged)
