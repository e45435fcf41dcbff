"""Clients' connections of HTTP/1: net/http.persistConn, each with a goroutine that reads it (readLoop)."""

from typing import Final

import numpy as np
from gosonde_common.values.http import Side, State

from gosonde_agent.sources.memory.http.bodies import Bodies
from gosonde_agent.sources.memory.http.known import Known
from gosonde_agent.sources.memory.http.seen import Connection, ages_ns, are_named, held_types, waited_ns
from gosonde_agent.sources.memory.http.stacks import Calls, HttpStacks
from gosonde_agent.sources.memory.http.structs import Values
from gosonde_agent.sources.memory.reachability.rows import U64, Bools

READS: Final = "net/http.(*persistConn).readLoop"
#: What readLoop calls while nothing has come, and while the header of an answer comes.
PEEKS: Final = "bufio.(*Reader).Peek"
READS_HEADER: Final = "net/http.(*persistConn).readResponse"
FIELDS: Final = ("cacheKey.scheme", "cacheKey.addr", "br", "closech", "idleAt", "numExpectedResponses")
RUNTIME: Final = "runtime."


class Clients:
    """Reads them in one process."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def of(self, stacks: HttpStacks) -> list[Connection]:
        """Those of some goroutines, unknown where nothing proves what they are.

        Raises:
            NotDecidedError: The limits of a reading are reached.
            GosondeError: The process has ended, or may not be read.
        """
        calls = stacks.of(READS)
        struct = self._known.struct("net/http", "http.persistConn", FIELDS) if len(calls.row) else None
        if struct is None:
            return [Connection(row, Side.CLIENT) for row in calls.row.tolist()]
        return self._read(stacks, calls, Values(self._known.memory, struct, calls.argument))

    def _read(self, stacks: HttpStacks, calls: Calls, values: Values) -> list[Connection]:
        proved = self._proved(values)
        schemes = self._known.texts.of(values, "cacheKey.scheme")
        hosts = self._known.texts.of(values, "cacheKey.addr")
        states = self._states(stacks, calls, values, proved)
        responses = self._responses(stacks, calls, states, values.words("br"))
        idle = ages_ns(values, "idleAt")
        waited = waited_ns(stacks.goroutines.since[calls.row])
        return [
            Connection(
                row,
                Side.CLIENT,
                scheme=scheme if is_one else "",
                host=host if is_one else "",
                state=state,
                age_ns=since if state is State.IDLE else wait if state is not State.UNKNOWN else None,
                age_is_least=state is not State.IDLE,
                response=response,
            )
            for row, is_one, scheme, host, state, since, wait, response in zip(
                calls.row.tolist(), proved.tolist(), schemes, hosts, states, idle, waited, responses, strict=True
            )
        ]

    def _responses(self, stacks: HttpStacks, calls: Calls, states: list[State], buffers: U64) -> list[tuple[int, ...]]:
        """What each connection that waits for a body is known to wait for."""
        found: list[tuple[int, ...]] = [()] * len(states)
        places = np.flatnonzero([state is State.BODY for state in states])
        if len(places):
            for place, of in zip(
                places.tolist(), Bodies(self._known).of(stacks, calls, places, buffers[places]), strict=True
            ):
                found[place] = of
        return found

    def _proved(self, values: Values) -> Bools:
        """Which are connections: what a connection buffers is read from the connection itself."""
        buffered = Values(self._known.memory, values.struct.pointee("br"), values.words("br"))
        held = held_types(self._known.memory, self._known.types, buffered.words("rd"))
        proved: Bools = values.whole & buffered.whole & are_named(self._known.types, held, "*http.persistConn")
        proved &= buffered.words("rd", 8) == values.at
        return proved

    def _states(self, stacks: HttpStacks, calls: Calls, values: Values, proved: Bools) -> list[State]:
        expected = values.words("numExpectedResponses")
        waits = self._waits_for_body(stacks, calls, values.words("closech"))
        peeks, reads = (_calls(stacks, calls, name) for name in (PEEKS, READS_HEADER))
        states = np.full(len(calls.row), State.UNKNOWN, object)
        states[peeks & (expected == 0)] = State.IDLE
        states[(peeks & (expected > 0)) | reads] = State.WAITING
        states[waits] = State.BODY
        states[~proved] = State.UNKNOWN
        return list(states)

    def _waits_for_body(self, stacks: HttpStacks, calls: Calls, closing: U64) -> Bools:
        """Which wait in readLoop itself for a body, or for the connection to be closed."""
        found = np.zeros(len(calls.row), np.bool_)
        inner = [_innermost(stacks, row, depth) for row, depth in zip(calls.row, calls.depth, strict=True)]
        rows = np.flatnonzero(np.array(inner, np.bool_))
        found[rows] = self._known.wait_for(stacks.goroutines.selected(calls.row[rows]), closing[rows])
        return found


def _innermost(stacks: HttpStacks, row: int, depth: int) -> bool:
    """Whether nothing but the runtime lies further in."""
    if depth < 0:
        return False
    return all(stacks.functions[place].startswith(RUNTIME) for place in stacks.calls[row, :depth].tolist())


def _calls(stacks: HttpStacks, calls: Calls, function: str) -> Bools:
    """Which call a function there."""
    places = [place for place, name in enumerate(stacks.functions) if name == function]
    inner = stacks.calls[calls.row, np.maximum(calls.depth - 1, 0)] if len(calls.row) else calls.row
    found: Bools = (calls.depth > 0) & np.isin(inner, places)
    return found
