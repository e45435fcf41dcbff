"""Sends observations to the first collector that takes them, for as long as the agent runs.

Nothing that goes wrong here reaches the rest of the agent: it is logged, shown in the status, and tried again.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import structlog
from gosonde_common import __version__, channels
from gosonde_common.addresses import ClientTls
from gosonde_common.errors import GosondeError
from gosonde_common.ratelimit import MessageLimiter
from gosonde_common.values.audit import Act, Actor
from gosonde_common.values.observation import Observation
from gosonde_common.values.status import UplinkStatus
from gosonde_pb.v1.ingest_pb2_grpc import IngestServiceStub

from gosonde_agent.host.desk import Desk
from gosonde_agent.host.identity import Identity
from gosonde_agent.model.errors import SpoolError
from gosonde_agent.model.trail import Trail
from gosonde_agent.snapshots.taking import Snapshots
from gosonde_agent.stream.collector_stream import Progress, Stream, StreamLimits
from gosonde_agent.stream.journal import Journal, Run
from gosonde_agent.stream.spool import Backlog, Leftover, Spool
from gosonde_agent.wire import encoding, snapshot_messages
from gosonde_agent.wire.encodable import ROWS_UNREPORTABLE, UNENCODABLE, encodable

if TYPE_CHECKING:
    from gosonde_pb.v1.ingest_pb2_grpc import IngestServiceAsyncStub

log = structlog.get_logger(__name__)

#: A local subchannel pool keeps gRPC from making a new channel wait for the backoff of an older one.
CHANNEL_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), *channels.KEEPALIVE)
#: Where the numbers of a later run begin that goes on for a former one, times the runs that did: no run sends as many.
RESUME_STEP = 1 << 40
#: With these a collector says that what it got is wrong; with all others, that it is not able to take it now.
REFUSALS = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED})
#: Loss counter of the former runs that could not be delivered at some time.
RUNS_HELD_UP = "former_runs_held_up"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Attributes:
    first_backoff_seconds: Wait after every collector failed once; it doubles with each further round, with jitter.
    last_backoff_seconds: Longest wait, and how long a stream must have lasted for the count of failures to restart.
    flush_seconds: Time that the last batches get when the agent stops.
    """

    first_backoff_seconds: float = 0.5
    last_backoff_seconds: float = 30.0
    flush_seconds: float = 3.0


STREAM_LIMITS = StreamLimits()
TIMEOUTS = Timeouts()


class Uplink:
    """Holds what the collector lacks and sends it. With no collector it does nothing.

    `offer`, `run` and `close` belong to the same event loop.
    """

    def __init__(
        self,
        collectors: Sequence[str],
        identity: Identity,
        interval_seconds: float,
        journal: Journal | None = None,
        *,
        tls: ClientTls | None = None,
        snapshots: Snapshots | None = None,
        no_probes_because: str = "",
        trail: Trail | None = None,
        stream_limits: StreamLimits = STREAM_LIMITS,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._collectors = tuple(collectors)
        # Everything that may wait for the disk is done there; what is here only says what is known.
        self._desk = Desk("spool")
        self._tls = tls
        self._journal = journal or Journal(identity.boot_id)
        self._run, self.previous_end, left = self._journal.begin(identity.agent_epoch, identity.host)
        self._snapshots = snapshots
        self._trail = trail or Trail()
        self._hello = snapshot_messages.offering(
            _hello(identity, self._run, self.previous_end, no_probes_because), snapshots.kinds if snapshots else ()
        )
        self._left = [
            _Left(run.number, Leftover(self._journal, run), _hello(identity, run), _resumed(run)) for run in left
        ]
        self._held_up_runs: set[int] = set()
        # Half the interval: an offer that comes a little early is not held back for a whole interval more.
        self._pace_seconds = interval_seconds / 2
        self._stream_limits = stream_limits
        self._timeouts = timeouts
        self._spool = Spool(self._journal, self._run)
        self._progress = Progress()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        #: Attempts to reach a collector that failed since the last that did not.
        self.failures = 0
        self._turn = 0
        self._connected = False
        self._error = ""
        self._message_limiter = MessageLimiter()
        self._unreportable = 0

    async def offer(self, observation: Observation) -> None:
        """Records all known processes, their newest totals (missing rows are unchanged), and the new events.

        What is offered is on disk when this returns.
        """
        if not self._collectors:
            return
        try:
            await self._desk.do(lambda: self._record(observation))
        except UNENCODABLE as error:
            await self._offer_the_rest(observation, error)
        self._wake.set()

    def _record(self, observation: Observation) -> None:
        began = time.thread_time()
        self._spool.offer(observation)
        self._progress.cpu_seconds += time.thread_time() - began

    async def _offer_the_rest(self, observation: Observation, error: Exception) -> None:
        """What fits into messages; the other rows are counted."""
        sound, unreportable = await self._desk.do(lambda: encodable(observation))
        self._unreportable += unreportable
        if self._message_limiter.allows(f"unreportable: {error!r}"):
            log.error("some rows cannot be sent; the others are", rows=unreportable, reason=repr(error))
        try:
            await self._desk.do(lambda: self._record(sound))
        except UNENCODABLE as failure:
            log.exception("an observation cannot be sent")
            self._error = repr(failure)

    def is_stuck(self) -> bool:
        """Whether the spool's disk has not answered for too long."""
        return self._desk.is_stuck()

    async def close(self) -> None:
        """Closes the journal."""
        await self._desk.do(self._journal.close)

    def losses(self) -> dict[str, int]:
        """What had to be dropped, by name, since the start."""
        return {**self._spool.losses(), ROWS_UNREPORTABLE: self._unreportable, RUNS_HELD_UP: len(self._held_up_runs)}

    def status(self) -> UplinkStatus:
        """How sending goes, now."""
        return UplinkStatus(
            collector=self._collector,
            connected=self._connected,
            last_sequence=self._progress.sent,
            acknowledged_sequence=self._progress.acknowledged,
            error=self._error,
        )

    @property
    def cpu_seconds(self) -> float:
        """What keeping observations and making messages of this run has taken of a CPU."""
        return self._progress.cpu_seconds

    @property
    def held_rows(self) -> int:
        """Rows of newest totals that are kept of what runs, to be given again."""
        return self._spool.held_rows

    @property
    def settled(self) -> bool:
        """Everything that was offered, and all that former runs had left, is acknowledged."""
        return self._spool.settled and not self._left

    async def run(self) -> None:
        """Sends until it is cancelled; then flushes, for at most `flush_seconds`, and raises the cancellation on."""
        work = asyncio.create_task(self._work())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._flush(work)
            raise
        finally:
            work.cancel()

    @property
    def _collector(self) -> str:
        return self._collectors[self._turn % len(self._collectors)] if self._collectors else ""

    async def _work(self) -> None:
        if not self._collectors:
            await self._stopping.wait()
        last_attempt = False
        while not (last_attempt or (self._stopping.is_set() and self._spool.settled)):
            last_attempt = self._stopping.is_set()
            began = time.monotonic()
            await self._attempt()
            if not self._stopping.is_set():
                await self._back_off(time.monotonic() - began)

    async def _flush(self, work: asyncio.Task[None]) -> None:
        self._stopping.set()
        self._wake.set()
        await asyncio.wait({work}, timeout=self._timeouts.flush_seconds)
        work.cancel()
        await asyncio.wait({work})
        await self._desk.do(self._end_run)
        if self._collectors and not self._spool.settled:
            log.warning("stopped with observations that no collector acknowledged", error=self._error)

    def _end_run(self) -> None:
        try:
            self._journal.stop(self._run)
        except GosondeError as error:
            log.error("the end of the run cannot be noted", reason=str(error))  # noqa: TRY400 - the reason says it all

    async def _attempt(self) -> None:
        """One stream to the collector whose turn it is, until it fails or all is flushed."""
        try:
            await self._deliver(self._collector)
        except grpc.aio.AioRpcError as error:
            self._report(f"{error.code().name}: {error.details()}")
        except GosondeError as error:
            self._report(str(error))
        except Exception as error:
            log.exception("uplink failed unexpectedly", collector=self._collector)
            self._report(repr(error))
        finally:
            self._connected = False

    async def _deliver(self, collector: str) -> None:
        """What former runs left, the oldest first, and then this run, for as long as it lasts."""
        async with channels.aio_channel(collector, self._tls, CHANNEL_OPTIONS) as channel:
            stub = IngestServiceStub(channel)
            finite = asyncio.Event()
            finite.set()
            for left in tuple(self._left):
                try:
                    await self._stream(stub, left.backlog, left.hello, left.progress, finite)
                except SpoolError as error:
                    self._held_up(left, str(error))
                    continue
                except grpc.aio.AioRpcError as error:
                    if error.code() not in REFUSALS:
                        raise
                    self._held_up(left, f"{error.code().name}: {error.details()}")
                    continue
                self._left.remove(left)
                log.info("delivered what a former run of the agent had left")
            await self._stream(
                stub, self._spool, self._hello, self._progress, self._stopping, snapshots=self._snapshots
            )

    def _held_up(self, left: "_Left", error: str) -> None:
        """A former run cannot be delivered; the next connection tries it again, and this one goes on."""
        if left.run not in self._held_up_runs:
            self._held_up_runs.add(left.run)
            log.error("what a former run had left cannot be delivered now", run=left.run, reason=error)

    async def _stream(
        self,
        stub: "IngestServiceAsyncStub",
        backlog: Backlog,
        hello: encoding.Request,
        progress: Progress,
        stopping: asyncio.Event,
        *,
        snapshots: Snapshots | None = None,
    ) -> None:
        call = stub.StreamObservations(compression=grpc.Compression.Gzip)
        stream = Stream(
            call=call,
            spool=backlog,
            desk=self._desk,
            progress=progress,
            wake=self._wake,
            stopping=stopping,
            limits=self._stream_limits,
            note=self._note,
            snapshots=snapshots,
        )
        try:
            await stream.greet(hello)
            if not self._connected:
                self._connected, self._error = True, ""
                log.info("connected to the collector", collector=self._collector)
            await stream.deliver(self._pace_seconds)
        finally:
            call.cancel()

    def _note(self, act: Act, pid: int, detail: str) -> None:
        self._trail.note(act, Actor.COLLECTOR, self._collector, pid=pid, detail=detail)

    async def _back_off(self, lasted_seconds: float) -> None:
        """Turns to the next collector; waits when each had its turn, longer from round to round."""
        self.failures = 1 if lasted_seconds > self._timeouts.last_backoff_seconds else self.failures + 1
        self._turn += 1
        rounds, rest = divmod(self.failures, len(self._collectors))
        if rest:
            return
        longest = min(
            self._timeouts.last_backoff_seconds, self._timeouts.first_backoff_seconds * 2 ** min(rounds - 1, 16)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(longest * random.uniform(0.5, 1)):  # noqa: S311
                await self._stopping.wait()

    def _report(self, error: str) -> None:
        self._error = error
        if self._message_limiter.allows(f"{self._collector}: {error}"):
            log.warning("no connection to the collector; trying again", collector=self._collector, error=error)


@dataclass(frozen=True, slots=True)
class _Left:
    """What one former run left, and its stream's numbers."""

    run: int
    backlog: Leftover
    hello: encoding.Request
    progress: Progress


def _resumed(run: Run) -> Progress:
    return Progress(sent=run.resumed * RESUME_STEP)


def _hello(
    identity: Identity, run: Run, previous_end: str = "unspecified", no_probes_because: str = ""
) -> encoding.Request:
    return encoding.hello(
        identity.agent_id,
        run.agent_epoch,
        run.host,
        __version__,
        agent_run=run.number,
        previous_end=previous_end,
        no_probes_because=no_probes_because,
    )
