"""Why goroutines stay, inferred from where they wait. docs/diagnosis.md says what each cause means.

A cause is named only when most of a site's goroutines show it; otherwise it stays unknown.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Final

from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.matching import goroutines_of
from gosonde_collector.evidence.model import (
    FOR_A,
    LEAKED,
    Frame,
    GoroutineGroup,
    GoroutineProfile,
)
from gosonde_collector.model.values import Site

UNKNOWN: Final = "unknown"
HTTP_BODY, HTTP_IDLE = "http-body", "http-idle"
NIL_CHANNEL, CHANNEL_SEND, CHANNEL_RECEIVE = "nil-channel", "channel-send", "channel-receive"
SELECT, CONTEXT, TIMER, SLEEP_LOOP = "select", "context", "timer", "sleep-loop"
LOCK, WAITGROUP, COND = "lock", "waitgroup", "cond"
IO, SYSCALL, UNBOUNDED, QUEUE = "io", "syscall", "unbounded-go", "queue"

#: A cause must be shown by this share of a site's goroutines.
MAJORITY: Final = 0.6
#: A site of whose goroutines this share ends again creates more than it can finish.
FINISHING: Final = 0.25
#: When more than this share ends, those that stay do not wait for their turn.
STAYING: Final = 0.875
#: States of goroutines that are at work; the others wait for somebody else.
BUSY: Final = frozenset({"runnable", "running", "sleep", "IO wait", "syscall", "preempted", "copystack"})

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
DIAL: Final = "net/http.(*Transport).dialConn"
CLIENT: Final = ("net/http.(*Client).", "net/http.(*Transport).RoundTrip", "net/http.Get", "net/http.Post")
MAX_CALLERS: Final = 5
#: Stacks that stand for the goroutines of a site.
MAX_STACKS: Final = 3
#: `go` statements of the standard library that have one meaning.
TIMER_SITE, CONTEXT_SITE = "time.goFunc", "context.(*cancelCtx).propagateCancel"
GROUP_SITE: Final = "errgroup.(*Group)."
#: The runtime's functions of `v, ok := <-c` and `for v := range c`.
RANGE_RECEIVE: Final = "runtime.chanrecv2"


@dataclass(frozen=True, slots=True)
class Cause:
    """What keeps the goroutines of a site.

    Attributes:
        name: One of the above.
        reason: The evidence in a sentence; empty when there is none.
        stacks: Stacks that stand for them, innermost first, with how many have each: first the one that most of those
            with the cause have, then the most frequent others.
        states: How many goroutines are in each state or wait for each reason, the most first.
        callers: Functions that make HTTP requests, for causes that lie with one of them.
        oldest_wait_s: The longest wait among them, as far as the runtime has noted it.
    """

    name: str = UNKNOWN
    reason: str = ""
    stacks: tuple[tuple[int, tuple[Frame, ...]], ...] = ()
    states: tuple[tuple[str, int], ...] = ()
    callers: tuple[str, ...] = ()
    oldest_wait_s: int = 0


def classify(site: Site, profile: GoroutineProfile, growth: Growth | None, served: bool | None = None) -> Cause:
    """The cause that most of the site's goroutines in a profile show. Without any it is unknown.

    `served` says whether it is the older goroutines that exit, None when that is not known: see persistence.served.
    """
    groups = _relevant(site, profile)
    total = sum(group.count for group in groups)
    if not total:
        return Cause()
    names: Counter[str] = Counter()
    states: Counter[str] = Counter()
    for group in groups:
        names[_cause(site, group)] += group.count
        states[group.state or "?"] += group.count
    name, count = names.most_common(1)[0]
    if count < MAJORITY * total:
        name = UNKNOWN
    if growth and served is not False and _overloaded(growth, groups, total):
        name = UNBOUNDED
    typical = max((g for g in groups if name in {UNKNOWN, UNBOUNDED} or _cause(site, g) == name), key=_size)
    what = ", ".join(f"{number} {state}" for state, number in states.most_common(3))
    callers = _callers(profile) if name in {HTTP_BODY, HTTP_IDLE} else ()
    oldest = max(group.wait_s for group in groups)
    reason = f"of {total} goroutines: {what}"
    return Cause(name, reason, _stacks(typical, groups), tuple(states.most_common()), callers, oldest)


def _stacks(typical: GoroutineGroup, groups: Sequence[GoroutineGroup]) -> tuple[tuple[int, tuple[Frame, ...]], ...]:
    counts: Counter[tuple[Frame, ...]] = Counter()
    for group in groups:
        counts[group.frames] += group.count
    others = (frames for frames, _ in counts.most_common() if frames != typical.frames)
    return tuple((counts[frames], frames) for frames in (typical.frames, *islice(others, MAX_STACKS - 1)))


def _relevant(site: Site, profile: GoroutineProfile) -> list[GoroutineGroup]:
    """The site's goroutines. Of an HTTP connection's two sites, reader and writer, it is the reader that shows why."""
    if site.function != DIAL:
        return goroutines_of(profile, site)
    readers = [g for g in profile.groups if any(frame.function == f"{PERSISTENT}readLoop" for frame in g.frames)]
    return readers or goroutines_of(profile, site)


def _callers(profile: GoroutineProfile) -> tuple[str, ...]:
    """The functions outside of net/http that wait for an answer or read one now: one of them may be who forgets."""
    found = set()
    for group in profile.groups:
        names = [frame.function for frame in group.frames]
        client = [at for at, name in enumerate(names) if name.startswith(CLIENT)]
        if client and client[-1] + 1 < len(names):
            found.add(names[client[-1] + 1])
    return tuple(sorted(found))[:MAX_CALLERS]


def _size(group: GoroutineGroup) -> int:
    return group.count


def _overloaded(growth: Growth, groups: Sequence[GoroutineGroup], total: int) -> bool:
    """Whether goroutines do end, only more slowly than others are made, so that what they wait for does come.

    Either most of them are at work, or some are while the others wait for their turn. A go statement nearly all of
    whose goroutines end is another matter: the few that stay wait for something else.
    """
    busy = sum(group.count for group in groups if group.state in BUSY)
    if growth.exited < FINISHING * growth.created or not busy:
        return False
    return busy >= MAJORITY * total or (growth.exited <= STAYING * growth.created and not _newest_at_work(groups))


def _newest_at_work(groups: Sequence[GoroutineGroup]) -> bool:
    """Whether those at work are newer than those that wait, whose turn then never comes. False without goids."""
    busy = [goid for group in groups if group.state in BUSY for goid in group.goids]
    waiting = [goid for group in groups if group.state not in BUSY for goid in group.goids]
    return bool(busy and waiting) and median(busy) > median(waiting)


def _cause(site: Site, group: GoroutineGroup) -> str:
    """What one stack shows."""
    functions = [frame.function for frame in group.frames]
    return _of_site(site, group, functions) or _of_stack(group.state, functions) or UNKNOWN


def _of_site(site: Site, group: GoroutineGroup, functions: Sequence[str]) -> str:
    if any(name.startswith(PERSISTENT) for name in functions):
        return _of_connection(group.state, functions)
    if site.function == CONTEXT_SITE:
        return CONTEXT
    if site.function == TIMER_SITE:
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
    state, _, waits_for = state.removesuffix(LEAKED).partition(FOR_A)
    if waits_for in {CONTEXT, TIMER}:
        return waits_for
    for name in functions:
        if name in BY_CALL:
            return BY_CALL[name]
    if state in BY_STATE:
        return BY_STATE[state]
    if state == "chan receive":
        return QUEUE if RANGE_RECEIVE in functions else CHANNEL_RECEIVE
    return SELECT if state == "select" else ""
