"""One stream to one collector, from the hello to its end."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import grpc.aio
from gosonde_common.errors import InvalidInputError, UnavailableError
from gosonde_common.values.observation import Site

from gosonde_agent.host.desk import Desk
from gosonde_agent.snapshots.taking import Snapshots
from gosonde_agent.stream import batches
from gosonde_agent.stream.snapshot_answers import Note, SnapshotAnswers
from gosonde_agent.stream.spool import Backlog
from gosonde_agent.wire import encoding, snapshot_messages

#: Beyond that many site names the stream starts to send names again instead of remembering more.
MAX_KNOWN_SITES = 50_000

#: Longest single sleep: an event loop cannot take an infinite one.
MAX_WAIT_SECONDS = 3600.0

Call = grpc.aio.StreamStreamCall[encoding.Request, encoding.Response]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Attributes:
    window: Batches that may be unacknowledged at a time.
    batch_rows: Rows and, apart from them, events after which a batch ends; it names at most twice as many processes.
    batch_bytes: Serialised size above which a batch is parted.
    answer_seconds: Time in which the collector must answer the hello.
    acknowledge_seconds: Time without any acknowledgement, while one is due, after which the stream counts as dead.
    """

    window: int = 4
    batch_rows: int = 5_000
    batch_bytes: int = batches.MAX_BATCH_BYTES
    answer_seconds: float = 10.0
    acknowledge_seconds: float = 60.0


@dataclass(slots=True)
class Progress:
    """Numbers of the newest batch sent and acknowledged in an agent epoch, over all streams of this process.

    Attributes:
        cpu_seconds: What keeping observations and making messages took of a CPU.
    """

    sent: int = 0
    acknowledged: int = 0
    cpu_seconds: float = 0.0


class Stream:
    """Sends what is new in a backlog, with a window, and hands the acknowledgements to it; answers with snapshots.

    `desk` is where the backlog is asked, `note` hears what comes of requests for snapshots. `wake` is set by whoever
    changes something this stream may wait for: an offer, or `stopping`.
    """

    def __init__(
        self,
        *,
        call: Call,
        spool: Backlog,
        desk: Desk,
        progress: Progress,
        wake: asyncio.Event,
        stopping: asyncio.Event,
        limits: StreamLimits,
        note: Note,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._call = call
        self._spool = spool
        self._desk = desk
        self._progress = progress
        self._wake = wake
        self._stopping = stopping
        self._limits = limits
        self._known: set[Site] = set()
        # Sequence and ticket of each unacknowledged batch; ticket 0 where more batches of the same ticket follow.
        self._open: deque[tuple[int, int]] = deque()
        self._last_progress = time.monotonic()
        self._reader: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._answers = SnapshotAnswers(snapshots, self._write, note) if snapshots else None

    async def greet(self, hello: encoding.Request) -> None:
        """Sends the hello and waits for the answer.

        The answer's number is not used: totals and ordinals make it harmless to send again what the collector has.

        Raises:
            UnavailableError: There was no answer in time.
            grpc.aio.AioRpcError: The call failed.
        """
        async with _within(self._limits.answer_seconds, "no answer to the hello"):
            await self._call.write(hello)
            answer = await self._call.read()
        if answer is grpc.aio.EOF:
            raise UnavailableError("the collector ended the stream instead of answering the hello")

    async def deliver(self, pace_seconds: float) -> None:
        """Sends all that is held, then what is new, until `stopping` is set.

        What is new waits until `pace_seconds` have passed since something was sent, unless it is urgent.

        Returns once everything is acknowledged after `stopping`.

        Raises:
            UnavailableError: The stream ended or the acknowledgements stopped coming.
            InvalidInputError: The collector acknowledged what was never sent.
            grpc.aio.AioRpcError: The call failed.
        """
        await self._desk.do(self._spool.rewind)
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._wake.set())
        try:
            async with self._answering():
                await self._deliver(pace_seconds)
            await self._finish(self._reader)
        finally:
            self._reader.cancel()
            await asyncio.wait({self._reader})
            _failure(self._reader)

    async def _deliver(self, pace_seconds: float) -> None:
        while not (self._stopping.is_set() and not self._spool.fresh):
            if self._spool.fresh:
                await self._send_all()
                await self._until(lambda: self._spool.urgent or self._stopping.is_set(), pace_seconds)
            await self._until(lambda: self._spool.fresh or self._stopping.is_set())

    async def _send_all(self) -> None:
        while self._spool.fresh:
            await self._send()

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Answers requests for snapshots meanwhile. When that cannot be sent, the reader learns why."""
        task = asyncio.create_task(self._answers.run()) if self._answers else None
        try:
            yield
        finally:
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _finish(self, reader: asyncio.Task[None]) -> None:
        await self._until(lambda: not self._open)
        async with self._writing:
            await self._call.done_writing()
        await asyncio.wait({reader}, timeout=1)

    async def _send(self) -> None:
        ticket, messages = await self._desk.do(self._next_messages)
        for position, message in enumerate(messages, 1):
            await self._until(lambda: len(self._open) < self._limits.window)
            await self._write_batch(message, ticket if position == len(messages) else 0)

    def _next_messages(self) -> tuple[int, list[encoding.ObservationMessage]]:
        began = time.thread_time()
        ticket, observation = self._spool.take(self._limits.batch_rows)
        if len(self._known) > MAX_KNOWN_SITES:
            self._known.clear()
        messages = list(batches.messages(observation, self._known, self._limits.batch_bytes))
        self._progress.cpu_seconds += time.thread_time() - began
        return ticket, messages

    async def _write_batch(self, message: encoding.ObservationMessage, ticket: int) -> None:
        if not self._open:
            self._last_progress = time.monotonic()
        self._progress.sent += 1
        self._open.append((self._progress.sent, ticket))
        await self._write(encoding.batch(self._progress.sent, message))

    async def _write(self, request: encoding.Request) -> None:
        with suppress(asyncio.InvalidStateError):  # The stream has ended; the reader learns why.
            async with _within(self._limits.acknowledge_seconds, "a message could not be written"), self._writing:
                await self._call.write(request)

    async def _read(self) -> None:
        while True:
            response = await self._call.read()
            if not isinstance(response, encoding.Response):
                raise UnavailableError("the collector ended the stream")
            await self._acknowledge(response.acknowledged_sequence)
            self._wake.set()
            if self._answers and (request := snapshot_messages.requested(response)):
                self._answers.ask(request)

    async def _acknowledge(self, sequence: int) -> None:
        if sequence > self._progress.sent:
            raise InvalidInputError(
                f"the collector acknowledged batch {sequence}, but only {self._progress.sent} were sent"
            )
        self._progress.acknowledged = max(self._progress.acknowledged, sequence)
        while self._open and self._open[0][0] <= sequence:
            self._last_progress = time.monotonic()
            await self._desk.do(partial(self._spool.acknowledge, self._open[0][1]))
            self._open.popleft()

    async def _until(self, condition: Callable[[], bool], seconds: float = math.inf) -> None:
        """Waits until the condition holds or the time is over; raises when the stream is found dead."""
        deadline = time.monotonic() + seconds
        while not condition() and (now := time.monotonic()) < deadline:
            self._check(now)
            acknowledge_by = self._last_progress + self._limits.acknowledge_seconds if self._open else math.inf
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(deadline - now, acknowledge_by - now, MAX_WAIT_SECONDS)):
                    await self._wake.wait()

    def _check(self, now: float) -> None:
        if self._reader and self._reader.done():
            raise _failure(self._reader)
        if self._open and now >= self._last_progress + self._limits.acknowledge_seconds:
            raise UnavailableError(f"no acknowledgement for {self._limits.acknowledge_seconds:g} s")


def _failure(reader: asyncio.Task[None]) -> BaseException:
    """Why a reader that is done ended; it never returns."""
    error = None if reader.cancelled() else reader.exception()
    return error or UnavailableError("the stream was cancelled")


@asynccontextmanager
async def _within(seconds: float, failure: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise UnavailableError(f"{failure} in {seconds:g} s") from error
