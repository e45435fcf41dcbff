"""Connections of net/http in groups: of a client by host, of a server by handler, both by state."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Side(StrEnum):
    """Which end of a connection the process is."""

    CLIENT = "client"
    SERVER = "server"


class State(StrEnum):
    """What happens on a connection.

    IDLE: Nothing; it may be used again. WAITING: For the server's answer. BODY: The header of the answer has come, and
    its body was neither read to the end nor closed. NEW: The client has sent nothing yet. ACTIVE: A request is served.
    """

    IDLE = "idle"
    WAITING = "waiting for the server"
    BODY = "body not read"
    NEW = "new"
    ACTIVE = "active"
    HIJACKED = "hijacked"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HttpGroup:
    """Connections of one side, protocol, scheme, host, function and state.

    Attributes:
        protocol: "HTTP/1.1" or "HTTP/2".
        scheme: "http" or "https"; of a client, empty where it is not known.
        host: Of a client: "api.example:443" as the program named it; empty where it is not known.
        function: Of a server: the handler that runs. Of a client whose body was not read: who holds the response.
            Empty where it is not known.
        connections: How many.
        requests: On them now; HTTP/2 has several on one. What is active for another reason counts, too.
        is_on_no_stack: Of a client whose body was not read: no goroutine has the response on its stack any more, which
            often means that nobody closes it.
        oldest_ns: How long the one that has been longest in this state has been in it; None where it is not known.
        oldest_is_least: It may have been longer: the runtime notes waits in garbage collections alone.
    """

    side: Side
    protocol: str
    scheme: str
    host: str
    state: State
    function: str
    connections: int
    requests: int
    is_on_no_stack: bool
    oldest_ns: int | None
    oldest_is_least: bool


@dataclass(frozen=True, slots=True)
class HttpConnections:
    """All that were found.

    Attributes:
        groups: Clients first, then by their number of connections, the largest first.
        changing: Of these connections the goroutine ran each time it was read: their state is unknown.
        unread: So many more goroutines of net/http were not looked at, because there are too many.
    """

    groups: Sequence[HttpGroup]
    changing: int = 0
    unread: int = 0

    @property
    def connections(self) -> int:
        """How many there are in all groups."""
        return sum(group.connections for group in self.groups)


#: Hosts that are counted one by one, and characters of a host's name with its scheme.
MOST_HOSTS: Final = 32
MOST_CHARACTERS: Final = 310
OTHERS: Final = "(others)"


@dataclass(frozen=True, slots=True)
class HostConnections:
    """A client's connections to one host.

    Attributes:
        host: "https://api.example:443"; OTHERS for all beyond the first ones, and empty where it is not known.
        connections: How many, those in states that are none of these as well.
        bodies: That wait for the body of an answer to be read.
        waiting: That wait for an answer.
        idle: On which nothing is asked.
        on_no_stack: Of `bodies`, those whose response is known to be on no goroutine's stack.
    """

    host: str
    connections: int
    bodies: int
    waiting: int
    idle: int
    on_no_stack: int

    @property
    def said(self) -> str:
        """The same in words, foreign text as it was."""
        to = f"{self.connections:,} connections to {self.host or 'hosts that are not known'}"
        parts = [
            f"{count:,} of {to} {what}"
            for count, what in (
                (self.bodies, "wait for their body to be read"),
                (self.waiting, "wait for an answer"),
                (self.idle, "are idle"),
            )
            if count
        ]
        first = parts[0] if parts else f"{to} are in another state"
        more = f", {self.on_no_stack:,} of them with a response on no goroutine's stack" if self.on_no_stack else ""
        return first + more


@dataclass(frozen=True, slots=True)
class HostSeen(HostConnections):
    """The same in a snapshot that was taken then."""

    taken_unix_nano: int


def by_host(groups: Sequence[HttpGroup]) -> tuple[HostConnections, ...]:
    """A client's connections by host, those with the most open bodies first."""
    counts: dict[str, Counter[str]] = {}
    for group in groups:
        if group.side is Side.CLIENT:
            host = f"{group.scheme}://{group.host}" if group.host else ""
            of = counts.setdefault(host, Counter())
            of["all"] += group.connections
            of[group.state] += group.connections
            of["on no stack"] += group.connections * group.is_on_no_stack
    found = sorted((_host(host, of) for host, of in counts.items()), key=lambda one: (-one.bodies, -one.connections))
    if len(found) <= MOST_HOSTS:
        return tuple(found)
    others: Counter[str] = Counter()
    for one in found[MOST_HOSTS - 1 :]:
        others += counts[one.host]
    return (*found[: MOST_HOSTS - 1], _host(OTHERS, others))


def _host(host: str, of: Counter[str]) -> HostConnections:
    return HostConnections(host, of["all"], of[State.BODY], of[State.WAITING], of[State.IDLE], of["on no stack"])
