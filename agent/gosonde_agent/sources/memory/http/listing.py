"""The HTTP connections of a process in groups: the way from its memory to what people are shown."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from gosonde_common.values.http import HttpConnections, Side, State

from gosonde_agent.sources.memory.http.clients import Clients
from gosonde_agent.sources.memory.http.grouping import grouped
from gosonde_agent.sources.memory.http.holders import with_holders
from gosonde_agent.sources.memory.http.http2 import Http2, Stream, with_streams
from gosonde_agent.sources.memory.http.known import Known
from gosonde_agent.sources.memory.http.seen import Connection
from gosonde_agent.sources.memory.http.servers import Servers
from gosonde_agent.sources.memory.http.stacks import HttpStacks, http_goroutines
from gosonde_agent.sources.memory.reachability.headers import STILL, Goroutines, HeaderReader
from gosonde_agent.sources.memory.target import Target

#: More goroutines of net/http than that are not looked at.
MOST: Final = 200_000
#: So many at a time: what bounds the memory of a reading.
BLOCK: Final = 4_096
#: How often a connection is read whose goroutine runs meanwhile.
TRIES: Final = 3


def read_http(target: Target, most: int = MOST) -> HttpConnections:
    """The connections of a process now, without a stop of it.

    Raises:
        NotDecidedError: The limits of a reading are reached.
        NotLocatedError: Its types are not where they should be, or not as they should be.
        ImplausibleMemoryError: What is there cannot be a runtime's.
        UnsupportedBinaryError: A runtime's field is not known.
        GosondeError: The process has ended, or may not be read.
    """
    known, headers = Known(target), HeaderReader(target.runtime)
    goroutines = http_goroutines(target, headers, known.meter)
    some = goroutines.selected(np.arange(len(goroutines)) < most)
    found: list[Connection] = []
    streams: list[Stream] = []
    for begin in range(0, len(some), BLOCK):
        for one in _read(known, headers, some.selected(np.arange(begin, min(begin + BLOCK, len(some))))):
            if isinstance(one, Stream):
                streams.append(one)
            else:
                found.append(one)
    found = list(with_holders(known, headers, with_streams(found, streams)))
    runtime = target.runtime
    runtime.memory.check_same(runtime.addresses.allglen + runtime.bias)
    changing = sum(one.is_moved and one.state is State.UNKNOWN for one in found)
    return HttpConnections(grouped(found), changing, len(goroutines) - len(some))


def _moved(one: Connection) -> Connection:
    """What is known of a connection whose goroutine moved while its stack was read: only what a server noted itself."""
    if one.side is Side.SERVER and one.state is not State.UNKNOWN:
        return replace(one, function="")
    return replace(one, state=State.UNKNOWN, age_ns=None, is_moved=True)


def _read(known: Known, headers: HeaderReader, goroutines: Goroutines) -> Iterator[Connection | Stream]:
    """Their connections. What stands is read once, what runs meanwhile again; its state is unknown in the end."""
    for left in reversed(range(TRIES)):
        stacks = HttpStacks(known.target, goroutines, known.learnt)
        http2 = Http2(known)
        servers = http2.servers(stacks, Servers(known).of(stacks))
        found = [*Clients(known).of(stacks), *http2.clients(stacks), *servers]
        both: list[Connection | Stream] = [*found, *http2.streams(stacks)]
        later = headers.again(goroutines, known.meter)
        later = later.selected(np.argsort(later.at, kind="stable"))
        same = goroutines.same_stacks(later)
        stands = same & (np.isin(goroutines.status, STILL) | (left == 0))
        yield from (one for one in both if stands[one.row])
        if not left:
            lives = np.isin(goroutines.goid, later.goid)
            yield from (_moved(one) for one in found if not stands[one.row] and lives[one.row])
            return
        rows = later.rows_of(goroutines.at)[~stands]
        goroutines = later.selected(rows[rows >= 0])
        if not len(goroutines):
            return
