"""Servers' connections: net/http.conn, each with a goroutine that serves it."""

import time
from typing import Final

import numpy as np
from gosonde_common.values.http import Side, State

from gosonde_agent.sources.memory.http.known import Known
from gosonde_agent.sources.memory.http.seen import Connection, held_types
from gosonde_agent.sources.memory.http.stacks import NET_HTTP, HttpStacks
from gosonde_agent.sources.memory.http.structs import Values
from gosonde_agent.sources.memory.moments import SECOND
from gosonde_agent.sources.memory.reachability.rows import I64, Bools

SERVES: Final = "net/http.(*conn).serve"
#: How the function is called that such a goroutine begins with.
BEGINS: Final = "net/http.(*Server).Serve."
#: By net/http.ConnState.
STATES: Final = (State.NEW, State.ACTIVE, State.IDLE, State.HIJACKED, State.CLOSED)
#: conn.curState: what the atomic number's field is called, in Go 1.19 and since.
NUMBERS: Final = ("curState.v", "curState.atomic")
FIELDS: Final = ("server", "rwc", "r", "curState")
#: What calls a handler.
DISPATCHES: Final = ".ServeHTTP"
RUNTIME: Final = "runtime."


class Servers:
    """Reads them in one process."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def of(self, stacks: HttpStacks) -> list[Connection]:
        """Those of some goroutines, unknown where nothing proves what they are.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        calls = stacks.of(SERVES)
        unread = [Connection(row, Side.SERVER) for row in np.setdiff1d(stacks.unread(BEGINS), calls.row).tolist()]
        struct = self._known.struct("net/http", "http.conn", FIELDS) if len(calls.row) else None
        if struct is None:
            return [*unread, *(Connection(row, Side.SERVER) for row in calls.row.tolist())]
        values = Values(self._known.memory, struct, calls.argument)
        states, ages = _states(values, self._proved(values))
        read = (
            Connection(
                row,
                Side.SERVER,
                state=state,
                function=handler(stacks.names(row)) if state is State.ACTIVE else "",
                age_ns=age if state is not State.UNKNOWN else None,
                network=of,
            )
            for row, state, age, of in zip(
                calls.row.tolist(), states, ages, values.words("rwc", 8).tolist(), strict=True
            )
        )
        return [*unread, *read]

    def _proved(self, values: Values) -> Bools:
        """Which are connections: with a network connection, and what their reader reads for, if they have one yet."""
        known = self._known
        held = held_types(known.memory, known.types, values.words("rwc"))
        reader = values.words("r")
        readers = Values(known.memory, values.struct.pointee("r"), reader)
        # Since Go 1.25 the reader forgets the connection when the handler has returned.
        owner = readers.words("conn")
        is_own = (reader == 0) | (readers.whole & ((owner == values.at) | (owner == 0)))
        proved: Bools = values.whole & (held != 0) & (values.words("server") != 0) & is_own
        return proved


def _states(values: Values, proved: Bools) -> tuple[list[State], list[int | None]]:
    """(the state of each, for how long): conn.curState has both, the time in seconds."""
    field = next((name for name in NUMBERS if values.struct.has(name)), NUMBERS[0])
    packed = values.words(field)
    state, since = (packed & np.uint64(0xFF)).astype(np.int64), (packed >> np.uint64(8)).astype(np.int64)
    age: I64 = time.time_ns() // SECOND - since
    is_one = proved & (state < len(STATES)) & (since > 0) & (age >= 0)
    states = [STATES[number] if known else State.UNKNOWN for number, known in zip(state, is_one, strict=True)]
    return states, [seconds * SECOND if known else None for seconds, known in zip(age.tolist(), is_one, strict=True)]


def handler(stack: list[str]) -> str:
    """The handler on a stack, whose functions come innermost first; empty where none is there.

    It is what the innermost of net/http's own handlers calls, or that one itself where it calls no other.
    """
    for place, name in enumerate(stack):
        if name.startswith(NET_HTTP) and name.endswith(DISPATCHES):
            inner = stack[place - 1] if place else ""
            return inner if inner and not inner.startswith((NET_HTTP, RUNTIME)) else name
    return ""
