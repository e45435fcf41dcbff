"""Asks agents for snapshots of processes, through the streams that they have opened.

Everything here belongs to the collector's event loop. Whoever wants a snapshot from another thread uses
asyncio.run_coroutine_threadsafe.
"""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from gosonde_common.errors import NotFoundError, OverloadedError, UnsupportedError

from gosonde_collector.evidence.model import (
    GOROUTINE,
    HEAP,
    LEAK,
    MEMORY,
)
from gosonde_collector.evidence.parse import Profile, parse_profile
from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_collector.model.errors import ProfileError, Refusal, SnapshotError
from gosonde_collector.model.values import (
    ProcessFilter,
    ProcessKey,
    SnapshotKind,
    SnapshotPiece,
    SnapshotRequest,
    Stream,
)
from gosonde_collector.model.worker import Worker
from gosonde_collector.snapshots import ownership
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry

log = structlog.get_logger(__name__)

#: How long an agent may take from the request to the last piece, in seconds.
ANSWER_SECONDS: Final = 90.0
#: Snapshots that are received at the same time, and that may wait for it.
MAX_AT_ONCE: Final = 4
MAX_WAITING: Final = 64
MISSING_PPROF: Final = "name where the program answers in its configuration key pprof, as docs/agent.md shows"
#: The format, and the kind of profile, that each kind of snapshot must turn out to be.
EXPECTED: Final = {
    SnapshotKind.MEMORY: (MEMORY, GOROUTINE),
    SnapshotKind.PPROF: ("proto", GOROUTINE),
    SnapshotKind.PPROF_LEAK: ("proto", LEAK),
    SnapshotKind.PPROF_HEAP: ("proto", HEAP),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot that was taken and stored."""

    id: str
    profile: Profile
    age_ns: int


@dataclass(slots=True)
class _Expected:
    """The file that an agent sends piece by piece."""

    id: int
    upload: ProfileUpload = field(default_factory=ProfileUpload)
    whole: asyncio.Future[bytes] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def take(self, piece: SnapshotPiece) -> None:
        if piece.failure:
            self.fail(SnapshotError(f"the agent cannot take it: {piece.failure}"))
            return
        try:
            await asyncio.to_thread(self.upload.feed, piece.chunk)
            if piece.last and not self.whole.done():
                self.whole.set_result(await asyncio.to_thread(self.upload.finish))
        except ProfileError as error:
            self.fail(error)

    def fail(self, error: SnapshotError | ProfileError) -> None:
        if not self.whole.done():
            self.whole.set_exception(error)


class AgentLink:
    """The stream of one agent, as far as snapshots are concerned.

    Attributes:
        outgoing: What the stream has to send; one at a time.
        turn: Whoever asks holds it: the agent answers one after the other.
    """

    def __init__(self, stream: Stream, kinds: frozenset[SnapshotKind], numbers: Iterator[int]) -> None:
        self.stream = stream
        self.kinds = kinds
        self.outgoing: asyncio.Queue[SnapshotRequest] = asyncio.Queue()
        self._numbers = numbers
        self.turn = asyncio.Lock()
        self._expected: _Expected | None = None
        self._closed = False

    async def ask(self, process: ProcessKey, kind: SnapshotKind) -> bytes:
        """The file, inflated. Raises SnapshotError, and ProfileError when it is none."""
        if self._closed:
            raise SnapshotError("the agent disconnected")
        self._expected = _Expected(next(self._numbers))
        self.outgoing.put_nowait(SnapshotRequest(self._expected.id, process, kind))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._expected.whole
        except TimeoutError as error:
            raise SnapshotError(f"the agent did not answer in {ANSWER_SECONDS:g} s") from error
        finally:
            self._expected = None

    async def feed(self, piece: SnapshotPiece) -> None:
        """Adds a piece; one of an answer that nobody waits for any more is passed over."""
        expected = self._expected
        if expected and expected.id == piece.id:
            await expected.take(piece)

    def close(self) -> None:
        """The stream has ended."""
        self._closed = True
        if self._expected:
            self._expected.fail(SnapshotError("the agent disconnected"))


class SnapshotRequests:
    """The one way to a snapshot that an agent takes: for people who ask, and for the analysis."""

    def __init__(self, store: Store, worker: Worker, telemetry: Telemetry) -> None:
        self._store = store
        self._worker = worker
        self._telemetry = telemetry
        self._links: list[AgentLink] = []
        self._numbers = itertools.count(1)
        self._room = asyncio.Semaphore(MAX_AT_ONCE)
        self._waiting = 0

    @contextmanager
    def connected(self, stream: Stream, kinds: frozenset[SnapshotKind]) -> Iterator[AgentLink]:
        """Makes an agent known while its stream is open."""
        link = AgentLink(stream, kinds, self._numbers)
        self._links.append(link)
        try:
            yield link
        finally:
            self._links.remove(link)
            link.close()

    def kinds(self, host: str) -> list[SnapshotKind]:
        """What the agents of a host that are connected can take, the best evidence first."""
        able = {kind for link in self._links if link.stream.host == host for kind in link.kinds}
        return [kind for kind in SnapshotKind if kind in able]

    async def take(self, host: str, pid: int, kind: SnapshotKind) -> Taken:
        """A snapshot of the process that has the pid now, stored; else as `take_of`.

        Raises:
            NotFoundError: No such process runs, or no agent of the host is connected.
        """
        known = await self._worker.run(self._store.processes, ProcessFilter())
        found = ownership.owner(known, host, pid, await self._worker.run(ownership.host_now, self._store, host))
        return await self.take_of(host, found.process.key, kind)

    async def take_of(self, host: str, process: ProcessKey, kind: SnapshotKind) -> Taken:
        """A snapshot of one process image, stored.

        Raises:
            NotFoundError: No agent of the host is connected.
            UnsupportedError: The host's agent takes no snapshots of this kind.
            OverloadedError: Too many wait for a snapshot already.
            SnapshotError: The agent did not take it, or sent something else: says why.
            StoreError: It could not be stored.
        """
        if self._waiting >= MAX_WAITING:
            raise OverloadedError(f"{MAX_WAITING} snapshots are asked for already; try again later")
        self._waiting += 1
        try:
            link = self._link(host, kind)
            # Whoever waits for an agent that is slow takes no room from others.
            async with link.turn, self._room:
                return await self._taken(link, process, kind)
        finally:
            self._waiting -= 1

    def _link(self, host: str, kind: SnapshotKind) -> AgentLink:
        here = [link for link in self._links if link.stream.host == host]
        able = [link for link in here if kind in link.kinds]
        if able:
            return able[-1]  # the newest: an older stream may be dead
        if here:
            remedy = "use a newer agent" if kind is SnapshotKind.MEMORY else MISSING_PPROF
            raise UnsupportedError(
                f"the agent of {host} ({here[-1].stream.agent_version}) takes no {kind} snapshots; {remedy}"
            )
        raise NotFoundError(f"no agent of {host} is connected: nobody there can take a snapshot")

    async def _taken(self, link: AgentLink, process: ProcessKey, kind: SnapshotKind) -> Taken:
        host, pid = link.stream.host, process.pid
        try:
            with self._telemetry.evidence("snapshot", host, pid):
                profile = await self._profile(link, process, kind)
                now = await self._worker.run(ownership.host_now, self._store, host)
                taken = ownership.taken_at(profile.taken_unix_nano, 0, now)
        except ProfileError as error:
            raise SnapshotError(f"the agent sent something else: {error}") from error
        except SnapshotError as error:
            log.info("no snapshot", host=host, pid=pid, kind=kind, reason=str(error))
            raise
        snapshot_id = await self._worker.run(self._store.add_snapshot, host, process, taken, profile)
        log.info("snapshot stored", host=host, pid=pid, format=profile.format, id=snapshot_id)
        self._telemetry.evidence_age("snapshot", now - taken)
        return Taken(snapshot_id, profile, now - taken)

    async def _profile(self, link: AgentLink, process: ProcessKey, kind: SnapshotKind) -> Profile:
        profile = await asyncio.to_thread(parse_profile, await link.ask(process, kind))
        if (profile.format, profile.kind) != EXPECTED[kind]:
            raise ProfileError(f"a {profile.kind} profile of the format {profile.format}", Refusal.UNKNOWN_KIND)
        return profile
