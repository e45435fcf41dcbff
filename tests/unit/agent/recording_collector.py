"""A real gRPC ingest server that stores what it is sent in memory, and can be slow, deaf or broken on demand."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from gosonde_agent.stream.spool import Event
from gosonde_common.values.observation import Observation, Process, ProcessKey
from gosonde_common.wire import observations
from gosonde_pb.v1 import ingest_pb2, ingest_pb2_grpc


class RecordingCollector(ingest_pb2_grpc.IngestServiceServicer):
    """Attributes:
    acknowledging: While cleared, batches are received and stored but not acknowledged.
    answering: While cleared, the hello is not answered.
    broken_after: Ends each stream behind that many batches, before storing the last of them; None never.
    overstate: Is added to each acknowledged number.
    """

    def __init__(self) -> None:
        self.acknowledging = asyncio.Event()
        self.acknowledging.set()
        self.answering = asyncio.Event()
        self.answering.set()
        self.broken_after: int | None = None
        self.overstate = 0
        self.hellos: list[ingest_pb2.Hello] = []
        self.batches: list[ingest_pb2.Batch] = []
        self.received = 0
        self.unnamed = 0

    async def StreamObservations(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        requests = aiter(request_iterator)
        self.hellos.append((await anext(requests)).hello)
        await self.answering.wait()
        yield ingest_pb2.StreamObservationsResponse(acknowledged_sequence=0)
        named: set[tuple[str, int]] = set()
        count = 0
        async for request in requests:
            self.received += 1
            count += 1
            if count == self.broken_after:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on demand")
            self._store(request.batch, named)
            await self.acknowledging.wait()
            yield ingest_pb2.StreamObservationsResponse(acknowledged_sequence=request.batch.sequence + self.overstate)

    def _store(self, batch: ingest_pb2.Batch, named: set[tuple[str, int]]) -> None:
        self.batches.append(batch)
        message = batch.observation
        named.update(zip(message.site_names.build_id, message.site_names.pc, strict=True))
        builds = [entry.build_id for entry in message.processes]
        rows = zip(message.site_counters.process, message.site_counters.pc, strict=True)
        self.unnamed += sum((builds[position], pc) not in named for position, pc in rows)

    @property
    def sequences(self) -> list[int]:
        return [batch.sequence for batch in self.batches]

    @property
    def observations(self) -> list[Observation]:
        return [observations.decode(batch.observation) for batch in self.batches]

    @property
    def totals(self) -> dict[tuple[ProcessKey, int], tuple[int, int]]:
        """(created, exited) by process and pc, the newest."""
        return {
            (row.process, row.site.pc): (row.created, row.exited)
            for observation in self.observations
            for row in observation.site_counts
        }

    @property
    def processes(self) -> dict[ProcessKey, Process]:
        return {entry.key: entry for observation in self.observations for entry in observation.processes}

    @property
    def events(self) -> set[Event]:
        found: set[Event] = set()
        for observation in self.observations:
            found.update(observation.pauses, observation.gc_cycles)
        return found


@asynccontextmanager
async def serving(collector: RecordingCollector, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Serves on `address`; yields it with the port in place."""
    server = grpc.aio.server()
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(collector, server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits until the condition holds; fails when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.005)
