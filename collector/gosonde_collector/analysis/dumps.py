"""What one goroutine dump says by itself: who made its goroutines, why they wait, for how long, what to do about it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gosonde_common.values.goroutines import MAIN_GOROUTINE

from gosonde_collector.analysis.cause_names import HTTP_BODY, HTTP_IDLE
from gosonde_collector.analysis.causes import Cause, classify
from gosonde_collector.analysis.remedies import remedy
from gosonde_collector.evidence.model import WITH_STATEMENT, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import Site

MAIN: Final = frozenset({"main.main", "runtime.main"})
#: Groups that waited longest.
OLDEST: Final = 10


@dataclass(frozen=True, slots=True)
class Creation:
    """The goroutines of one `go` statement; of one start function, where the format names no statement.

    Attributes:
        function: That contains the statement; empty when the format does not name it.
        states: How many are in each state.
        stack: The stack that most of them have, innermost first.
        goroutines_of_stack: How many have it.
    """

    function: str
    file: str
    line: int
    start_function: str
    goroutines: int
    oldest_wait_ns: int
    states: dict[str, int]
    cause: str
    remedy: str
    stack: tuple[Frame, ...]
    goroutines_of_stack: int


@dataclass(frozen=True, slots=True)
class Wait:
    """A group of goroutines with one stack, of which one has waited for `wait_ns`; `goids` are some of them."""

    wait_ns: int
    state: str
    goroutines: int
    goids: tuple[int, ...]
    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class DumpSummary:
    """The whole dump."""

    format: str
    kind: str
    goroutines: int
    distinct_stacks: int
    recognized: tuple[str, ...]
    passed_over: int
    partial: str
    states: dict[str, int]
    sites: tuple[Creation, ...]
    oldest_waits: tuple[Wait, ...]


def summarize(profile: GoroutineProfile) -> DumpSummary:
    """In time proportional to the dump."""
    by_site: dict[Site, list[GoroutineGroup]] = {}
    for group in profile.groups:
        by_site.setdefault(_site(profile, group), []).append(group)
    creations = [_creation(profile, site, groups) for site, groups in by_site.items()]
    waits = sorted((group for group in profile.groups if group.wait_s), key=lambda group: -group.wait_s)
    return DumpSummary(
        profile.format,
        profile.kind,
        profile.goroutines,
        len(profile.stacks),
        profile.reading.recognized,
        profile.reading.passed_over,
        profile.reading.partial,
        _states(profile.groups),
        tuple(sorted(creations, key=lambda creation: -creation.goroutines)),
        tuple(map(_wait, waits[:OLDEST])),
    )


def _site(profile: GoroutineProfile, group: GoroutineGroup) -> Site:
    """The statement; without one the function that runs first stands for it."""
    if by := group.created_by:
        return Site("", 0, by.function, by.file, by.line)
    start = group.frames[-1].function if group.frames else ""
    main = start in MAIN or (profile.format in WITH_STATEMENT and group.goids == (1,))
    return Site("", 0, MAIN_GOROUTINE.function if main else "", start_function=start)


def _creation(profile: GoroutineProfile, site: Site, groups: list[GoroutineGroup]) -> Creation:
    first = max(groups, key=lambda group: group.count)
    start = site.start_function or (first.frames[-1].function if first.frames else "")
    named = replace(site, start_function=start)
    cause = _cause(profile, named, groups)
    count, stack = cause.stacks[0] if cause.stacks else (first.count, first.frames)
    return Creation(
        site.function,
        site.file,
        site.line,
        start,
        sum(group.count for group in groups),
        max(group.wait_s for group in groups) * 10**9,
        _states(groups),
        cause.name,
        remedy(cause, named),
        stack,
        count,
    )


def _cause(profile: GoroutineProfile, site: Site, groups: list[GoroutineGroup]) -> Cause:
    """As findings have it; the main goroutine is judged as if a statement had made it."""
    if profile.format in WITH_STATEMENT and not site.line:
        by = Frame(site.function, site.file, site.line)
        groups = [replace(group, created_by=by) for group in groups]
    cause = classify(site, replace(profile, groups=tuple(groups)), None)
    return classify(site, profile, None) if cause.name in {HTTP_BODY, HTTP_IDLE} else cause


def _states(groups: Iterable[GoroutineGroup]) -> dict[str, int]:
    states: Counter[str] = Counter()
    for group in groups:
        states[group.state] += group.count
    return {state: count for state, count in states.most_common() if state}


def _wait(group: GoroutineGroup) -> Wait:
    place = group.frames[0] if group.frames else Frame("", "", 0)
    return Wait(
        group.wait_s * 10**9, group.state, group.count, group.goids[:OLDEST], place.function, place.file, place.line
    )
