"""Pushes each goroutine snapshot that is stored to a server of profiles."""

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

import structlog
from gosonde_common.ratelimit import MessageLimiter

from gosonde_collector.evidence.model import GOROUTINE
from gosonde_collector.model.errors import DeliveryError, StoreError, Undelivered
from gosonde_collector.model.values import ProcessKey
from gosonde_collector.outward.backoff import Backoff
from gosonde_collector.outward.counts import EXPIRED, REFUSED, REPLACED, TOO_LARGE, TOO_MANY, Counts
from gosonde_collector.outward.profiles.profile import Profile, profile_of
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import SnapshotHead

log = structlog.get_logger(__name__)

#: Between two looks for new snapshots, in seconds.
LOOK_S: Final = 5.0
#: Processes whose snapshots wait.
MOST_WAITING: Final = 1_000
MOST_BYTES: Final = 16 << 20
#: A host, and a process of it.
Place = tuple[str, ProcessKey]


class ProfileServer(Protocol):
    """Where profiles go.

    Attributes:
        kind: As the label of metrics has it.
        place: Scheme, host and port.
        given: As the configuration has it.
    """

    kind: str
    place: str
    given: str

    async def push(self, profile: Profile) -> None:
        """Delivers it. Raises DeliveryError."""


class Pushing:
    """Belongs to one event loop. Of each process the newest snapshot alone waits."""

    def __init__(self, server: ProfileServer, store: Store, counts: Counts) -> None:
        self._server = server
        self._store = store
        self._of = server.kind, server.place
        self._counts = counts
        self._backoff = Backoff()
        self._limiter = MessageLimiter()
        self._seen: dict[Place, str] | None = None
        self._waiting: dict[Place, SnapshotHead] = {}
        counts.begin(*self._of)

    def is_same(self, server: ProfileServer) -> bool:
        """Whether it pushes to this server: it does so by the newest that is known of it from now on."""
        if (server.kind, server.given) != (self._server.kind, self._server.given):
            return False
        self._server = server
        return True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.round()
            except StoreError as error:
                log.warning("snapshots cannot be listed", reason=str(error))
            except Exception:
                log.exception("a round of sending failed unexpectedly", kind=self._server.kind)
                self._backoff.failed(0)
            await asyncio.sleep(LOOK_S)

    async def round(self) -> None:
        """Looks what is new, and pushes what waits until it fails. Raises StoreError."""
        self._take(await asyncio.to_thread(self._store.snapshot_heads, 1))
        for place, head in list(self._waiting.items()):
            if self._backoff.is_resting or not await self._push(head):
                break
            del self._waiting[place]
            self._show()

    def _take(self, heads: Iterable[SnapshotHead]) -> None:
        newest: dict[Place, SnapshotHead] = {}
        for head in heads:
            place = head.host, head.process
            # Two sources would count each goroutine twice.
            if head.kind == GOROUTINE and (place not in newest or head.from_memory):
                newest[place] = head
        before, self._seen = self._seen, {place: head.id for place, head in newest.items()}
        if before is not None:  # what there was at the start was pushed then, or is too old
            for place, head in newest.items():
                if before.get(place) != head.id:
                    self._wait(place, head)
        self._show()

    def _wait(self, place: Place, head: SnapshotHead) -> None:
        if place in self._waiting:
            self._dropped(REPLACED)
        elif len(self._waiting) >= MOST_WAITING:
            self._dropped(TOO_MANY)
            return
        self._waiting[place] = head

    async def _push(self, head: SnapshotHead) -> bool:
        """Whether it waits no longer."""
        profile = await asyncio.to_thread(profile_of, self._store, head)
        if profile is None or len(profile.pprof) > MOST_BYTES:
            self._dropped(TOO_LARGE if profile else EXPIRED)
            return True
        try:
            await self._server.push(profile)
        except DeliveryError as error:
            return self._failed(error)
        self._counts.succeeded_now(*self._of)
        self._backoff.succeeded()
        return True

    def _failed(self, error: DeliveryError) -> bool:
        self._counts.failures.labels(*self._of, error.reason).inc()
        if self._limiter.allows(str(error)):
            log.warning("not delivered", kind=self._server.kind, to=self._server.place, reason=str(error))
        if error.reason is Undelivered.REFUSED:
            self._dropped(REFUSED)
            return True
        self._backoff.failed(error.retry_after_s)
        return False

    def _dropped(self, reason: str) -> None:
        self._counts.dropped.labels(*self._of, reason).inc()

    def _show(self) -> None:
        self._counts.waiting.labels(*self._of).set(len(self._waiting))
