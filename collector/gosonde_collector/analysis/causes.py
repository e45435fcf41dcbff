"""Why the goroutines of a site stay, inferred from where they wait. docs/diagnosis.md says what each cause means.

A cause is named only when most of a site's goroutines, or of those that run one function, show it; otherwise it stays
unknown.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import median
from typing import Final

from gosonde_common.values.estimates import estimate

from gosonde_collector.analysis.cause_names import HTTP_BODY, HTTP_IDLE, UNBOUNDED, UNKNOWN
from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.matching import goroutines_of
from gosonde_collector.analysis.stack_causes import PERSISTENT, cause_of
from gosonde_collector.analysis.user_code import waits_in, work_of
from gosonde_collector.evidence.model import FOR_A, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import Site

#: A cause must be shown by this share of a site's goroutines, or of those of one function.
MAJORITY: Final = 0.6
#: A site of whose goroutines this share ends again creates more than it can finish.
FINISHING: Final = 0.25
#: When more than this share ends, those that stay do not wait for their turn.
STAYING: Final = 0.875
#: States of goroutines that are at work; the others wait for somebody else.
AT_WORK: Final = frozenset({"runnable", "running", "sleep", "syscall", "preempted", "copystack"})
#: At work only when those before them were served: the other side may be one that never says anything.
ON_THE_NETWORK: Final = "IO wait"
DIAL: Final = "net/http.(*Transport).dialConn"
CLIENT: Final = ("net/http.(*Client).", "net/http.(*Transport).RoundTrip", "net/http.Get", "net/http.Post")
MAX_CALLERS: Final = 5
#: Stacks that stand for the goroutines of a site, and functions that they run.
MAX_STACKS: Final = 3
MAX_WORKS: Final = 5

#: Goroutines with one stack, and the cause that it shows.
Shown = tuple[GoroutineGroup, str]


@dataclass(frozen=True, slots=True)
class Work:
    """The goroutines of a site that run one function, as by a helper that starts whatever it is given.

    Attributes:
        function: The outermost that is not a wrapper.
        cause: What most of them show, or UNKNOWN.
    """

    function: str
    goroutines: int
    cause: str


@dataclass(frozen=True, slots=True)
class Cause:
    """What keeps the goroutines of a site.

    Attributes:
        name: One of cause_names.
        reason: The evidence in a sentence; empty when there is none.
        stacks: Stacks that stand for them, innermost first, with how many have each: first the one that most of those
            with the cause have, then the most frequent others.
        states: How many goroutines are in each state or wait for each reason, the most first.
        callers: Functions that make HTTP requests, for causes that lie with one of them.
        oldest_wait_s: The longest wait among them, as far as the runtime has noted it.
        waits_in: The function of the program in which those with the cause wait; empty without a snapshot.
        works: What the site's goroutines run, the most first, when it is more than one function.
        is_estimated: Not all stacks were read: numbers of stacks and works are estimates.
    """

    name: str = UNKNOWN
    reason: str = ""
    stacks: tuple[tuple[int, tuple[Frame, ...]], ...] = ()
    states: tuple[tuple[str, int], ...] = ()
    callers: tuple[str, ...] = ()
    oldest_wait_s: int = 0
    waits_in: str = ""
    works: tuple[Work, ...] = ()
    is_estimated: bool = False


def classify(site: Site, profile: GoroutineProfile, growth: Growth | None, served: bool | None = None) -> Cause:
    """The cause that most of the site's goroutines in a profile show. Without any it is unknown.

    `served` says whether it is the older goroutines that exit, None when that is not known: see persistence.served.
    """
    groups = _relevant(site, profile)
    total = sum(group.count for group in groups)
    if not total:
        return Cause()
    judged = _with_stacks(groups)
    shown = [(group, cause_of(site, group)) for group in judged]
    works = _works(site, shown)
    name = _majority(shown)
    if name == UNKNOWN and len(works) > 1 and works[0].goroutines > works[1].goroutines:
        name = works[0].cause
    if growth and served is not False and _overloaded(growth, groups, total, served=served is True):
        name = UNBOUNDED
    typical = max((group for group, cause in shown if name in {UNKNOWN, UNBOUNDED, cause}), key=_size)
    states = _states(groups)
    what = ", ".join(f"{number} {state}" for state, number in states[:3])
    return Cause(
        name,
        f"of {total} goroutines: {what}{_sampled(groups)}",
        _stacks(typical, judged),
        states,
        _callers(profile) if name in {HTTP_BODY, HTTP_IDLE} else (),
        max(group.wait_s for group in groups),
        waits_in(typical.frames),
        works if len(works) > 1 else (),
        any(group.unread for group in groups),
    )


def _with_stacks(groups: Sequence[GoroutineGroup]) -> list[GoroutineGroup]:
    """Those that say where they are. Of the others, such as stacks that were not read, those in a state of their own.

    What the others wait for is what goroutines in the same state wait for whose stacks are known: where some were not
    read, those that were stand for them.
    """
    everyone, read = Counter[str](), Counter[str]()
    for group in groups:
        if group.frames or group.unread:
            everyone[_state(group)] += group.count
            read[_state(group)] += 0 if group.unread else group.count
    return [
        _standing_for(group, everyone[_state(group)], read[_state(group)])
        for group in groups
        if group.frames or not read[_state(group)]
    ]


def _standing_for(group: GoroutineGroup, everyone: int, read: int) -> GoroutineGroup:
    return replace(group, count=estimate(everyone, read, group.count).about) if group.frames else group


def _sampled(groups: Sequence[GoroutineGroup]) -> str:
    """What to know of numbers of stacks where not all were read; empty where all were."""
    everyone, read = sum(group.count for group in groups), sum(group.count for group in groups if not group.unread)
    if read == everyone:
        return ""
    half = estimate(everyone, read, read // 2)
    return (
        f"; the stacks of {read:,} of them were read, so numbers of stacks are estimates, off by up to "
        f"{max(half.most - half.about, half.about - half.least):,} in 99 of 100 cases"
    )


def _state(group: GoroutineGroup) -> str:
    return group.state.partition(FOR_A)[0]


def _majority(shown: Sequence[Shown]) -> str:
    names: Counter[str] = Counter()
    for group, cause in shown:
        names[cause] += group.count
    name, count = names.most_common(1)[0]
    return name if count >= MAJORITY * names.total() else UNKNOWN


def _works(site: Site, shown: Sequence[Shown]) -> tuple[Work, ...]:
    """What the goroutines run, the most first."""
    by_function: dict[str, list[Shown]] = {}
    for group, cause in shown:
        by_function.setdefault(work_of(site.function, group.frames), []).append((group, cause))
    found = [
        Work(name, sum(group.count for group, _ in those), _majority(those)) for name, those in by_function.items()
    ]
    return tuple(sorted(found, key=lambda work: -work.goroutines)[:MAX_WORKS])


def _states(groups: Sequence[GoroutineGroup]) -> tuple[tuple[str, int], ...]:
    states: Counter[str] = Counter()
    for group in groups:
        states[group.state or "?"] += group.count
    return tuple(states.most_common())


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


def _overloaded(growth: Growth, groups: Sequence[GoroutineGroup], total: int, *, served: bool) -> bool:
    """Whether goroutines do end, only more slowly than others are made, so that what they wait for does come.

    Either most of them are at work, or some are while the others wait for their turn. A go statement nearly all of
    whose goroutines end is another matter: the few that stay wait for something else.
    """
    states = AT_WORK | {ON_THE_NETWORK} if served else AT_WORK
    at_work = sum(group.count for group in groups if group.state in states)
    if growth.exited < FINISHING * growth.created or not at_work:
        return False
    return at_work >= MAJORITY * total or (
        growth.exited <= STAYING * growth.created and not _newest_at_work(states, groups)
    )


def _newest_at_work(states: frozenset[str], groups: Sequence[GoroutineGroup]) -> bool:
    """Whether those at work are newer than those that wait, whose turn then never comes. False without goids."""
    working = [goid for group in groups if group.state in states for goid in group.goids]
    waiting = [goid for group in groups if group.state not in states for goid in group.goids]
    return bool(working and waiting) and median(working) > median(waiting)
