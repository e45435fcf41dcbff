"""What one goroutine's state and stack show of why it stays."""

from collections.abc import Sequence
from typing import Final

from gosonde_collector.analysis.cause_names import (
    CHANNEL_RECEIVE,
    CHANNEL_SEND,
    COND,
    CONTEXT,
    HTTP_BODY,
    HTTP_IDLE,
    IO,
    LOCK,
    NIL_CHANNEL,
    QUEUE,
    SELECT,
    SIGNAL_CHANNEL,
    SLEEP_LOOP,
    SYSCALL,
    TIMER,
    UNKNOWN,
    WAITGROUP,
)
from gosonde_collector.analysis.library_causes import of_library
from gosonde_collector.evidence.model import DURABLE, FOR_A, LEAKED, GoroutineGroup
from gosonde_collector.model.values import Site

#: Wait reasons and states that are a cause by themselves. Names differ between versions of Go.
BY_STATE: Final = {
    "chan receive (nil chan)": NIL_CHANNEL,
    "chan send (nil chan)": NIL_CHANNEL,
    "select (no cases)": SELECT,
    "sync.Mutex.Lock": LOCK,
    "sync.RWMutex.Lock": LOCK,
    "sync.RWMutex.RLock": LOCK,
    "sync.WaitGroup.Wait": WAITGROUP,
    "sync.Cond.Wait": COND,
    "sleep": SLEEP_LOOP,
    "IO wait": IO,
    "syscall": SYSCALL,
    "chan send": CHANNEL_SEND,
}
#: What the channel belongs to that a goroutine receives from, as an agent names it.
BY_TARGET: Final = {"context": CONTEXT, "timer": TIMER, "signal": SIGNAL_CHANNEL}
#: "semacquire" stands for locks and WaitGroups up to Go 1.19 or 1.24; the stack says which.
BY_CALL: Final = {
    "sync.(*WaitGroup).Wait": WAITGROUP,
    "sync.(*Mutex).Lock": LOCK,
    "sync.(*RWMutex).Lock": LOCK,
    "sync.(*RWMutex).RLock": LOCK,
    "sync.(*Cond).Wait": COND,
    "time.Sleep": SLEEP_LOOP,
}
PERSISTENT: Final = "net/http.(*persistConn)."
#: `go` statements of the standard library that have one meaning.
TIMER_SITE, CONTEXT_SITE = "time.goFunc", "context.(*cancelCtx).propagateCancel"
#: Of what time.AfterFunc started: what it waits for says more than that a timer started it.
ON_CHANNELS: Final = frozenset({CHANNEL_SEND, CHANNEL_RECEIVE, QUEUE, SELECT, ""})
GROUP_SITE: Final = "errgroup.(*Group)."
#: The runtime's functions of `v, ok := <-c` and `for v := range c`.
RANGE_RECEIVE: Final = "runtime.chanrecv2"


def cause_of(site: Site, group: GoroutineGroup) -> str:
    """What one stack shows; UNKNOWN when it shows nothing."""
    functions = [frame.function for frame in group.frames]
    return _of_site(site, group, functions) or _of_stack(group.state, functions) or UNKNOWN


def _of_site(site: Site, group: GoroutineGroup, functions: Sequence[str]) -> str:
    if any(name.startswith(PERSISTENT) for name in functions):
        return _of_connection(group.state, functions)
    if library := of_library(site.function, functions):
        return library
    if site.function == CONTEXT_SITE:
        return CONTEXT
    if site.function == TIMER_SITE and _of_stack(group.state, functions) in ON_CHANNELS:
        return TIMER
    if GROUP_SITE in site.function and _receives(group.state, functions):
        return QUEUE
    return ""


def _of_connection(state: str, functions: Sequence[str]) -> str:
    """An HTTP client's connection: its reader waits for the end of a body, or for the server while it is idle.

    Who asked waits in roundTrip for an answer that does not come.
    """
    if f"{PERSISTENT}roundTrip" in functions:
        return IO
    reads = any(name.startswith(f"{PERSISTENT}readLoop") for name in functions)
    if reads and state.startswith("select"):
        return HTTP_BODY
    return HTTP_IDLE if reads and state == "IO wait" else ""


def _receives(state: str, functions: Sequence[str]) -> bool:
    return state.startswith("chan receive") or any(name.startswith("runtime.chanrecv") for name in functions)


def _of_stack(state: str, functions: Sequence[str]) -> str:
    state, _, waits_for = state.removesuffix(LEAKED).removesuffix(DURABLE).partition(FOR_A)
    if waits_for in BY_TARGET:
        return BY_TARGET[waits_for]
    for name in functions:
        if name in BY_CALL:
            return BY_CALL[name]
    if state in BY_STATE:
        return BY_STATE[state]
    if state == "chan receive":
        return QUEUE if RANGE_RECEIVE in functions else CHANNEL_RECEIVE
    return SELECT if state == "select" else ""
