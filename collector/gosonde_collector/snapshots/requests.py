"""Asks agents for snapshots of processes, through the streams that they have opened.

Everything here belongs to the collector's event loop. Whoever wants a snapshot from another thread uses
asyncio.run_coroutine_threadsafe.
"""

import asyncio
import itertools
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog
from gosonde_common.errors import NotFoundError, OverloadedError, UnsupportedError
from gosonde_common.values.audit import Act
from gosonde_common.values.labels import DEFAULT_KEYS, only
from gosonde_common.values.reachability import SearchOutcome

from gosonde_collector.evidence.model import (
    GOROUTINE,
    HEAP,
    LEAK,
    MEMORY,
    GoroutineProfile,
)
from gosonde_collector.evidence.parse import Profile, parse_profile
from gosonde_collector.model.by import By
from gosonde_collector.model.errors import ProfileError, Refusal, SnapshotError
from gosonde_collector.model.values import (
    KnownProcess,
    ProcessFilter,
    ProcessKey,
    Search,
    Site,
    SiteProof,
    SnapshotKind,
    Stream,
)
from gosonde_collector.model.worker import Worker
from gosonde_collector.snapshots import ownership
from gosonde_collector.snapshots.link import AgentLink, Answer
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs

log = structlog.get_logger(__name__)

#: Snapshots that are received at the same time, and that may wait for it.
MAX_AT_ONCE: Final = 4
MAX_WAITING: Final = 64
MISSING_PPROF: Final = "set the key pprof in the agent's configuration, as docs/agent.md shows"
#: How long it may take from an agent's word that it has searched until its batch is stored, and how often to look.
STORED_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.2
#: Statements of one process that are told of.
MAX_SITES: Final = 100
#: The format, and the kind of profile, that each kind of snapshot that is a file must turn out to be.
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


@dataclass(frozen=True, slots=True)
class Proved:
    """A search that was made and stored.

    Attributes:
        age_ns: How long before it was stored it ended.
        sites: What is stored of each statement whose goroutines were examined, the most proved goroutines first.
    """

    outcome: SearchOutcome
    age_ns: int
    sites: tuple[tuple[Site, SiteProof], ...]


class SnapshotRequests:
    """The one way to a snapshot that an agent takes: for people who ask, and for the analysis.

    Args:
        labels: Keys of pprof labels whose values are stored.
    """

    def __init__(
        self,
        store: Store,
        worker: Worker,
        telemetry: Telemetry,
        acts: OwnActs,
        *,
        labels: Collection[str] = DEFAULT_KEYS,
    ) -> None:
        self._acts = acts
        self._store = store
        self._labels = labels
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
        """The files that the agents of a host that are connected can take, the best evidence first."""
        able = {kind for link in self._links if link.stream.host == host for kind in link.kinds}
        return [kind for kind in EXPECTED if kind in able]

    async def take(self, host: str, pid: int, kind: SnapshotKind, by: By) -> Taken:
        """A snapshot of the process that has the pid now, stored; else as `take_of`.

        Raises:
            NotFoundError: No such process runs, or no agent of the host is connected.
        """
        return await self.take_of(host, (await self._known(host, pid)).process.key, kind, by)

    async def _known(self, host: str, pid: int) -> KnownProcess:
        known = await self._worker.run(self._store.processes, ProcessFilter())
        return ownership.owner(known, host, pid, await self._worker.run(ownership.host_now, self._store, host))

    async def prove(self, host: str, pid: int, by: By) -> Proved:
        """Has an agent search the memory of the process that has the pid now; returns when that is stored.

        Raises:
            NotFoundError: No such process runs, or no agent of the host is connected.
            UnsupportedError: The host's agent does not search on request.
            OverloadedError: Too many wait for a snapshot already.
            SnapshotError: The agent did not search: says why. Or what it found does not come.
            StoreError: The store could not be read.
        """
        known = await self._known(host, pid)
        with self._waits():
            link = self._link(host, SnapshotKind.PROOF)
            await self._noted(by, host, known.process.key, SnapshotKind.PROOF)
            async with link.proving:
                outcome = await self._outcome(link, known.process.key)
            search = await self._stored(host, known.process.key, outcome)
        now = await self._worker.run(ownership.host_now, self._store, host)
        sites = await self._worker.run(self._named, known.process.build_id, search)
        log.info("search stored", host=host, pid=pid, proved=outcome.proved, undecided=outcome.undecided)
        return Proved(outcome, max(now - outcome.searched_unix_nano, 0), sites)

    async def _outcome(self, link: AgentLink, process: ProcessKey) -> SearchOutcome:
        try:
            answer = await link.ask(process, SnapshotKind.PROOF)
        except ProfileError as error:
            raise SnapshotError(f"the agent's answer is not what was asked for: {error}") from error
        except SnapshotError as error:
            log.info("no search", host=link.stream.host, pid=process.pid, reason=str(error))
            raise
        if isinstance(answer, bytes):
            raise SnapshotError("the agent's answer is not what was asked for: a file")
        return answer

    async def _stored(self, host: str, process: ProcessKey, outcome: SearchOutcome) -> Search:
        """The search in the store, as soon as it is there: the agent's answer and its batches do not come in order."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STORED_SECONDS):
                while True:
                    search = await self._worker.run(self._store.search, host, process)
                    if search and search.searched_unix_nano >= outcome.searched_unix_nano:
                        return search
                    await asyncio.sleep(LOOK_SECONDS)
        raise SnapshotError(
            f"the agent has searched process {process.pid}, but the result did not arrive within {STORED_SECONDS:g} s; "
            "gosonde findings shows it when it arrives"
        )

    def _named(self, build_id: str, search: Search) -> tuple[tuple[Site, SiteProof], ...]:
        examined = [(pc, proof) for pc, proof in search.sites.items() if proof.examined]
        ranked = sorted(examined, key=lambda one: (-one[1].proved, -one[1].probable, -one[1].examined, one[0]))
        shown = ranked[:MAX_SITES]
        names = self._store.site_names(build_id, [pc for pc, _ in shown])
        return tuple((name, proof) for name, (_, proof) in zip(names, shown, strict=True))

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Counts who waits. Raises OverloadedError when there are too many."""
        if self._waiting >= MAX_WAITING:
            raise OverloadedError(f"{MAX_WAITING} snapshots are waiting already; try again later")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _noted(self, by: By, host: str, process: ProcessKey, kind: SnapshotKind) -> None:
        """Says who asks, before anybody is asked. Raises StoreError and DiskFullError."""
        await self._worker.run(self._acts.note, Act.SNAPSHOT_ASKED, by, host, process, detail=kind)

    async def take_of(self, host: str, process: ProcessKey, kind: SnapshotKind, by: By) -> Taken:
        """A snapshot of one process image, stored.

        Raises:
            NotFoundError: No agent of the host is connected.
            UnsupportedError: The host's agent takes no snapshots of this kind.
            OverloadedError: Too many wait for a snapshot already.
            SnapshotError: The agent did not take it, or sent something else: says why.
            StoreError: It could not be stored.
        """
        with self._waits():
            link = self._link(host, kind)
            await self._noted(by, host, process, kind)
            # Whoever waits for an agent that is slow takes no room from others.
            async with link.turn, self._room:
                return await self._taken(link, process, kind)

    def _link(self, host: str, kind: SnapshotKind) -> AgentLink:
        here = [link for link in self._links if link.stream.host == host]
        able = [link for link in here if kind in link.kinds]
        if able:
            return able[-1]  # the newest: an older stream may be dead
        if here:
            remedy = "use a newer agent" if kind in (SnapshotKind.MEMORY, SnapshotKind.PROOF) else MISSING_PPROF
            raise UnsupportedError(
                f"the agent of {host} ({here[-1].stream.agent_version}) cannot take {kind} snapshots; {remedy}"
            )
        raise NotFoundError(f"no agent of {host} is connected, so no snapshot can be taken there")

    async def _taken(self, link: AgentLink, process: ProcessKey, kind: SnapshotKind) -> Taken:
        host, pid = link.stream.host, process.pid
        try:
            with self._telemetry.evidence("snapshot", host, pid):
                profile = await self._profile(link, process, kind)
                now = await self._worker.run(ownership.host_now, self._store, host)
                taken = ownership.taken_at(profile.taken_unix_nano, 0, now)
        except ProfileError as error:
            raise SnapshotError(f"the agent's answer is not what was asked for: {error}") from error
        except SnapshotError as error:
            log.info("no snapshot", host=host, pid=pid, kind=kind, reason=str(error))
            raise
        snapshot_id = await self.keep(host, process, taken, profile)
        self._telemetry.evidence_age("snapshot", now - taken)
        return Taken(snapshot_id, profile, now - taken)

    async def keep(self, host: str, process: ProcessKey, taken_unix_nano: int, profile: Profile) -> str:
        """Stores a profile, of its labels the values that may be stored alone; returns its id.

        Raises:
            StoreError: It could not be stored.
        """
        if isinstance(profile, GoroutineProfile):
            profile = replace(profile, labels=only(profile.labels, self._labels))
        snapshot_id = await self._worker.run(self._store.add_snapshot, host, process, taken_unix_nano, profile)
        log.info("snapshot stored", host=host, pid=process.pid, format=profile.format, id=snapshot_id)
        return snapshot_id

    async def _profile(self, link: AgentLink, process: ProcessKey, kind: SnapshotKind) -> Profile:
        answer: Answer = await link.ask(process, kind)
        if not isinstance(answer, bytes):
            raise ProfileError("what a search found", Refusal.UNKNOWN_KIND)
        profile = await asyncio.to_thread(parse_profile, answer)
        if (profile.format, profile.kind) != EXPECTED[kind]:
            raise ProfileError(f"a {profile.kind} profile of the format {profile.format}", Refusal.UNKNOWN_KIND)
        return profile
