"""The TCP connections of a gRPC server, as the kernel counts them: how many a peer has, and what they sent in pieces.

gRPC shows a server no connection, and nothing of a message before it is whole. The kernel knows how many bytes came in
over each socket, and the server how many of them were requests that it worked on: the rest waits in memory. ADR 0108.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from gosonde_common.errors import OverloadedError
from gosonde_common.ratelimit import MessageLimiter
from gosonde_common.tcp_sockets import Peer, parse_peer, received_over, shut_down, sockets_of

log = structlog.get_logger(__name__)

#: Connections of one address, unless the configuration says otherwise.
CONNECTIONS_PER_PEER: Final = 256
#: Calls of one address that may be open at the same time, for each connection that it may have.
CALLS_PER_CONNECTION: Final = 4
#: Bytes of a connection that may be part of an unfinished request for as long as one likes: pings and headers, too.
REST_BYTES: Final = 256 << 10
#: What a call takes besides its requests: headers and frames.
CALL_BYTES: Final = 1 << 10
#: Time in which a request must be whole, in seconds.
WHOLE_SECONDS: Final = 60.0
#: Bytes of unfinished requests of all connections together; beyond it those that hold most are closed, down to half.
UNFINISHED_BYTES: Final = 96 << 20
#: Time between two looks at all connections, in seconds; and how much the memory may grow until the next look at once.
LOOK_SECONDS: Final = 5.0
GLANCE_SECONDS: Final = 0.2
GROWTH_BYTES: Final = 24 << 20

Key = TypeVar("Key")


@dataclass(slots=True)
class _Connection:
    """Attributes:
    received: Bytes that came in.
    settled: So many of them are known to wait for nothing.
    since: Since when more wait than may rest.
    """

    fd: int = -1
    received: int = 0
    settled: int = 0
    since: float = 0.0

    @property
    def unfinished(self) -> int:
        return max(0, self.received - self.settled)


class Connections:
    """Counts calls as they come, and looks at the connections in `run`. `closed` hears why one was closed."""

    def __init__(
        self, most_per_peer: int = CONNECTIONS_PER_PEER, closed: Callable[[str], None] = lambda _reason: None
    ) -> None:
        self.ports: set[int] = set()
        self._most_per_peer = most_per_peer
        self._closed = closed
        self._open: dict[Peer, _Connection] = {}
        self._calls: Counter[Peer] = Counter()
        self._calls_of: Counter[str] = Counter()
        self._limiter = MessageLimiter()

    @contextmanager
    def call(self, peer: str) -> Iterator[None]:
        """Around a call of `context.peer()`. Raises OverloadedError when the address has too many open."""
        who = parse_peer(peer)
        if who is None:
            yield
            return
        if self._calls_of[who[0]] >= self._most_per_peer * CALLS_PER_CONNECTION:
            raise OverloadedError(f"{who[0]} has {self._calls_of[who[0]]} open calls already")
        _add(self._calls, who, 1)
        _add(self._calls_of, who[0], 1)
        self._settle(who, CALL_BYTES)
        try:
            yield
        finally:
            _add(self._calls, who, -1)
            _add(self._calls_of, who[0], -1)

    def delivered(self, peer: str, size: int) -> None:
        """A request of so many bytes, as they came, is worked on."""
        if who := parse_peer(peer):
            # Beside the only call of a connection nothing else can wait.
            self._settle(who, size if self._calls[who] > 1 else None)

    def _settle(self, who: Peer, size: int | None) -> None:
        """So many of the bytes received wait no more; None for all of them."""
        if connection := self._open.get(who):
            connection.received = max(connection.received, received_over(connection.fd, who))
            settled = connection.received if size is None else connection.settled + size
            connection.settled = min(settled, connection.received)

    async def run(self) -> None:
        """Looks at all connections now and then, and at once when the memory grows; until it is cancelled."""
        looked, memory = -LOOK_SECONDS, _memory()
        while True:
            now, grown = time.monotonic(), _memory() - memory
            if grown > GROWTH_BYTES or now - looked >= LOOK_SECONDS:
                self.look(now)
                looked, memory = now, _memory()
            await asyncio.sleep(GLANCE_SECONDS)

    def look(self, now: float) -> None:
        """Closes what is too much, too slow or too large, by the clock of time.monotonic."""
        found = dict(sockets_of(self.ports))
        self._open = {who: connection for who, connection in self._open.items() if who in found}
        for who, (fd, received) in found.items():
            connection = self._open.setdefault(who, _Connection(since=now))
            connection.fd, connection.received = fd, received
            if not self._calls[who]:
                connection.settled = received
            if connection.unfinished <= REST_BYTES:
                connection.since = now
        for who, reason in self._too_much(now):
            self._close(who, reason)

    def _too_much(self, now: float) -> Iterator[tuple[Peer, str]]:
        of_peer: Counter[str] = Counter()
        left = sum(connection.unfinished for connection in self._open.values())
        is_over = left > UNFINISHED_BYTES
        for who, connection in sorted(self._open.items(), key=lambda pair: -pair[1].unfinished):
            of_peer[who[0]] += 1
            if is_over and left > UNFINISHED_BYTES // 2:
                left -= connection.unfinished
                yield who, "memory"
            elif now - connection.since > WHOLE_SECONDS:
                yield who, "unfinished"
        # Of an address with too many, those go that came last.
        for who in reversed(self._open):
            if of_peer[who[0]] > self._most_per_peer:
                of_peer[who[0]] -= 1
                yield who, "connections"

    def _close(self, who: Peer, reason: str) -> None:
        self._closed(reason)
        if self._limiter.allows(f"{reason} {who[0]}"):
            log.warning("a connection was closed", reason=reason, peer=who[0], bytes=self._open[who].unfinished)
        shut_down(self._open[who].fd, who)


def _memory() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def _add(counts: Counter[Key], key: Key, number: int) -> None:
    counts[key] += number
    if counts[key] <= 0:
        del counts[key]
