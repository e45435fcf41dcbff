"""Connections of net/http in groups: of a client by host, of a server by handler, both by state."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


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
