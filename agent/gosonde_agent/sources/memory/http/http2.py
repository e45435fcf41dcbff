"""Connections of HTTP/2, of the standard library and of golang.org/x/net: their streams, which are the requests.

Up to Go 1.26 net/http has a copy of golang.org/x/net/http2 whose names begin with "http2"; since Go 1.27 it has a
package of its own (net/http/internal/http2).
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from gosonde_common.values.http import Side, State

from gosonde_agent.sources.memory.http.known import Known
from gosonde_agent.sources.memory.http.seen import Connection, ages_ns, held_types, waited_ns
from gosonde_agent.sources.memory.http.servers import handler
from gosonde_agent.sources.memory.http.stacks import Calls, HttpStacks
from gosonde_agent.sources.memory.http.structs import WORD, Struct, Values
from gosonde_agent.sources.memory.reachability.rows import Bools, words

PROTOCOL: Final = "HTTP/2"
METHOD: Final = re.compile(
    r"(net/http)\.\(\*(http2(?:ClientConn|clientStream|serverConn))\)\.(readLoop|doRequest|writeRequest|serve|runHandler)|"
    r"((?:.+/)?(?:golang\.org/x/net|net/http/internal)/http2)\.\(\*(ClientConn|clientStream|serverConn)\)\."
    r"(readLoop|doRequest|writeRequest|serve|runHandler)"
)
#: What a goroutine runs: it reads a client's connection, has a client's request, serves a connection, or a request.
FIELDS: Final = {
    "ClientConn": ("tconn", "tlsState", "streams", "br", "lastIdle"),
    "clientStream": ("cc", "abort", "pastHeaders"),
    "serverConn": ("conn", "curClientStreams"),
}
#: Words that a connection's server is looked for in.
ARGUMENTS: Final = 32
READS, SERVES, HANDLES = "readLoop", "serve", "runHandler"
REQUESTS: Final = ("doRequest", "writeRequest")


@dataclass(frozen=True, slots=True)
class Stream:
    """A request on a connection.

    Attributes:
        row: Of its goroutine, in its block.
        of: `Connection.key` of its connection.
        function: The handler, of a server.
        waited_ns: For how long its goroutine has waited at least; None where it is not known.
    """

    row: int
    of: int
    state: State
    function: str = ""
    waited_ns: int | None = None


class Http2:
    """Reads them in one process."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def clients(self, stacks: HttpStacks) -> Iterator[Connection]:
        """Clients' connections, without what their streams say.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        for calls, struct in self._calls(stacks, READS):
            if struct is None:
                yield from (Connection(row, Side.CLIENT, PROTOCOL) for row in calls.row.tolist())
                continue
            values = Values(self._known.memory, struct, calls.argument)
            yield from self._clients(calls, values, self._reads_itself(values))

    def servers(self, stacks: HttpStacks, found: list[Connection]) -> Iterator[Connection]:
        """Servers' connections as they were found for HTTP/1, with those of HTTP/2 as such.

        Raises:
            GosondeError: As `clients`.
        """
        network = {one.row: one.network for one in found}
        own = [one for calls, struct in self._calls(stacks, SERVES) for one in self._served(calls, struct, network)]
        goids = stacks.goroutines.goid
        changed = {one.row: replace(one, key=int(goids[one.row])) for one in own}
        yield from (changed.get(one.row, one) for one in found)

    def streams(self, stacks: HttpStacks) -> Iterator[Stream]:
        """The requests of clients and of servers.

        Raises:
            GosondeError: As `clients`.
        """
        waited = waited_ns(stacks.goroutines.since)
        found = {row: (of, state) for method in REQUESTS for row, of, state in self._requests(stacks, method)}
        for row, (of, state) in found.items():
            yield Stream(row, of, state, waited_ns=waited[row])
        parents = self._parents(stacks)
        for calls, _struct in self._calls(stacks, HANDLES):
            for row in calls.row.tolist():
                yield Stream(row, parents[row], State.ACTIVE, handler(stacks.names(row)))

    def _requests(self, stacks: HttpStacks, method: str) -> Iterator[tuple[int, int, State]]:
        """(row, address of the connection, state) of those whose goroutine waits for its own request to be given up."""
        for calls, struct in self._calls(stacks, method):
            if struct is None:
                continue
            values = Values(self._known.memory, struct, calls.argument)
            of, past, ends = (
                values.words("cc").tolist(),
                values.numbers("pastHeaders", 1).tolist(),
                values.words("abort"),
            )
            for place in np.flatnonzero(self._known.wait_for(stacks.goroutines.selected(calls.row), ends)).tolist():
                yield int(calls.row[place]), of[place], State.BODY if past[place] else State.WAITING

    def _parents(self, stacks: HttpStacks) -> list[int]:
        """The goid of who created each goroutine: of one with a handler, that serves its connection. Since Go 1.21."""
        offset = self._known.goroutine.parent
        if offset < 0:
            return [0] * len(stacks.goroutines)
        found, whole = self._known.memory.read_each(stacks.goroutines.at + np.uint64(offset), 8)
        parents: list[int] = np.where(whole, words(found, 0), np.uint64(0)).tolist()
        return parents

    def _calls(self, stacks: HttpStacks, method: str) -> Iterator[tuple[Calls, Struct | None]]:
        """(goroutines in a method, the struct that it is of), of each package that there is."""
        for name in set(stacks.functions):
            if (found := METHOD.fullmatch(name)) and (found[3] or found[6]) == method:
                package, struct = found[1] or found[4], found[2] or found[5]
                fields = FIELDS[struct.removeprefix("http2")]
                yield stacks.of(name), self._known.struct(package, f"{package.rpartition('/')[2]}.{struct}", fields)

    def _reads_itself(self, values: Values) -> Bools:
        """Which are connections: what is buffered is read from the network connection that they have."""
        known, network = self._known, values.words("tconn", 8)
        buffered = Values(known.memory, values.struct.pointee("br"), values.words("br"))
        held, own = (held_types(known.memory, known.types, of) for of in (buffered.words("rd"), values.words("tconn")))
        proved: Bools = values.whole & buffered.whole & (own != 0) & (held == own) & (network != 0)
        proved &= buffered.words("rd", 8) == network
        return proved

    def _clients(self, calls: Calls, values: Values, proved: Bools) -> Iterator[Connection]:
        encrypted = values.words("tlsState")
        tls = Values(self._known.memory, values.struct.pointee("tlsState"), encrypted)
        hosts = self._known.texts.of(tls, "ServerName")
        maps, whole = self._known.memory.read_each(values.words("streams"), 8)
        open_streams = maps.view("<u8")[:, 0]
        for place, row in enumerate(calls.row.tolist()):
            if not proved[place] or not whole[place]:
                yield Connection(row, Side.CLIENT, PROTOCOL)
                continue
            yield Connection(
                row,
                Side.CLIENT,
                PROTOCOL,
                scheme="https" if encrypted[place] else "http",
                host=hosts[place],
                state=State.IDLE if not open_streams[place] else State.UNKNOWN,
                age_ns=ages_ns(values, "lastIdle")[place],
                key=int(values.at[place]),
            )

    def _served(self, calls: Calls, struct: Struct | None, network: Mapping[int, int]) -> Iterator[Connection]:
        """Those whose network connection is the one that the server has for the goroutine.

        What configures the connection may be among what it is called with, in memory, before the place for the first
        argument: it is looked for there.
        """
        if struct is None:
            return
        wanted = np.array([network.get(row, 0) for row in calls.row.tolist()], np.uint64)
        data, _whole = self._known.memory.read_each(calls.place, ARGUMENTS * WORD)
        candidates = data.view("<u8").astype(np.uint64)
        left = np.flatnonzero(wanted != 0)
        for place in range(ARGUMENTS):
            values = Values(self._known.memory, struct, candidates[left, place])
            is_one = values.whole & (values.words("conn", 8) == wanted[left])
            for row, count in zip(
                calls.row[left[is_one]].tolist(), values.numbers("curClientStreams", 4)[is_one].tolist(), strict=True
            ):
                yield Connection(
                    row, Side.SERVER, PROTOCOL, state=State.ACTIVE if count else State.IDLE, requests=count
                )
            left = left[~is_one]


def with_streams(connections: list[Connection], streams: list[Stream]) -> Iterator[Connection]:
    """The connections, with what their streams say of them.

    A client's whose map has streams of which no goroutine was found is unknown; so is a request on it.
    """
    by_connection: dict[tuple[Side, int], list[Stream]] = {}
    for stream in streams:
        side = Side.SERVER if stream.state is State.ACTIVE else Side.CLIENT
        by_connection.setdefault((side, stream.of), []).append(stream)
    for one in connections:
        own = by_connection.get((one.side, one.key), []) if one.key else []
        if not own:
            yield one
        elif one.side is Side.SERVER:
            most = Counter(stream.function for stream in own).most_common(1)[0][0]
            yield replace(one, function=most)
        else:
            state = State.BODY if any(stream.state is State.BODY for stream in own) else State.WAITING
            ages = [stream.waited_ns for stream in own if stream.state is state and stream.waited_ns is not None]
            age = max(ages, default=None)
            yield replace(one, state=state, requests=len(own), age_ns=age, age_is_least=age is not None)
