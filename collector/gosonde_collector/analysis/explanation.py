"""Everything that is known of one finding, put together when somebody asks."""

from dataclasses import dataclass
from typing import Final

from gosonde_common.values.ages import Ages, AgesByGoid

from gosonde_collector.analysis.ages import ages_by_goid
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.escapes import FindingEscapes, escapes_of
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.gc_signs import gc_signs
from gosonde_collector.analysis.growth import LOOKBACK_NS
from gosonde_collector.analysis.matching import goids_of, goroutines_of
from gosonde_collector.analysis.snapshot_cache import SnapshotCache
from gosonde_collector.analysis.steps import Steps, moments
from gosonde_collector.analysis.witnesses import Witness, usable
from gosonde_collector.evidence.context import (
    ContentionProfile,
    ContentionSample,
    HeapProfile,
    HeapSample,
)
from gosonde_collector.evidence.model import BLOCK, MUTEX, TRACE, GoroutineProfile
from gosonde_collector.evidence.names import plain_name
from gosonde_collector.model.values import ProcessFilter, Site
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Series, Snapshot

#: Points of the live count, at most.
POINTS: Final = 120
#: Cycles of the process that are examined.
CYCLES: Final = 1_000
#: Reasons of a trace that are reported: the runtime has fewer.
MOST_REASONS: Final = 20
#: States of goroutines that do not wait.
AT_WORK: Final = ("runnable", "running", "syscall")


@dataclass(frozen=True, slots=True)
class Contention:
    """Waits that have ended, as the newest profile has them: of those who waited (block), or let others wait (mutex).

    Attributes:
        kind: BLOCK, MUTEX or TRACE.
        reason: Why they waited, as an execution trace says it; empty for the others.
    """

    kind: str
    taken_unix_nano: int
    waits: int
    delay_ns: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A finding with its evidence.

    Attributes:
        points: (unix_nano, live), oldest first; empty when the process has ended, as the following then are.
        shares: Which part of the goroutines is "runnable", "running", in a "syscall", or "waiting".
        stack_bytes: What their stacks take, None when the newest snapshot does not show it.
        heap_bytes: What is in use of what they allocated, None without a heap profile: an estimate of the runtime's, by
            the function that the goroutines run first.
        contentions: By the same function, at most one of each kind; of TRACE one for each reason, the longest first.
        ages_by_goid: How old each goroutine of the process is, by the newest memory snapshot; None without one.
        ages: About how old those of the finding are, by the same.
        escapes: What the compiler says of its functions; None without its output.
        series: The recent past of the site.
        snapshot: The newest one of the process that was read from memory, else the newest one that was pushed; also
            of a process that has ended.
    """

    finding: Finding
    points: tuple[tuple[int, int], ...] = ()
    gc_signs: tuple[Witness, ...] = ()
    shares: tuple[tuple[str, float], ...] = ()
    stack_bytes: int | None = None
    heap_bytes: int | None = None
    contentions: tuple[Contention, ...] = ()
    ages_by_goid: AgesByGoid | None = None
    ages: Ages | None = None
    escapes: FindingEscapes | None = None
    series: Series | None = None
    snapshot: Snapshot | None = None


def explain(store: Store, analyst: Analyst, finding_id: str) -> Explanation:
    """Raises NotFoundError when there is no such finding, StoreError when the store fails."""
    finding = analyst.finding(finding_id)
    if finding.timers:
        timed = analyst.timers.series(finding)
        return Explanation(finding, _points(timed) if timed else (), series=timed)
    series = store.site_series(finding.host, finding.process, finding.site.pc, LOOKBACK_NS)
    cache = SnapshotCache(store)
    cache.open()
    snapshot = cache.newest(finding.host, finding.process, from_memory=True)
    known = snapshot or cache.newest(finding.host, finding.process, from_memory=False)
    heap = store.newest_heap(finding.host, finding.process)
    escapes = escapes_of(store, finding, heap)
    if series is None:
        return Explanation(finding, escapes=escapes, snapshot=known)
    goroutines = snapshot.profile if snapshot and usable(series, snapshot) else None
    by_goid = ages_by_goid(snapshot, series) if goroutines and snapshot else None
    return Explanation(
        finding,
        _points(series),
        _signs(store, analyst, series, goroutines),
        _shares(finding),
        _stack_bytes(series.site, goroutines),
        _heap_bytes(series.site, heap),
        tuple(
            row
            for kind in (BLOCK, MUTEX, TRACE)
            if (profile := store.newest_contention(series.host, series.process.key, kind))
            for row in _contentions(series.site, profile)
        ),
        by_goid,
        by_goid.of(goids_of(goroutines, series.site)) if goroutines and by_goid else None,
        escapes,
        series,
        known,
    )


def _shares(finding: Finding) -> tuple[tuple[str, float], ...]:
    total = sum(count for _, count in finding.states)
    counts = dict.fromkeys(("waiting", *AT_WORK), 0)
    for state, count in finding.states:
        counts[state if state in AT_WORK else "waiting"] += count
    return tuple((state, count / total) for state, count in counts.items()) if total else ()


def _stack_bytes(site: Site, profile: GoroutineProfile | None) -> int | None:
    stacks = sum(group.stack_bytes for group in goroutines_of(profile, site)) if profile else 0
    return stacks or None


def _heap_bytes(site: Site, heap: HeapProfile | None) -> int | None:
    if heap is None or not site.start_function:
        return None
    return sum(sample.inuse_bytes for sample in heap.samples if _is_of(site, sample))


def _contentions(site: Site, profile: ContentionProfile) -> list[Contention]:
    """What a profile says of a site: in all, but by reasons where it has them."""
    found: dict[str, tuple[int, int]] = {"": (0, 0)} if profile.kind != TRACE else {}
    for sample in profile.samples:
        if _is_of(site, sample):
            waits, delay_ns = found.get(sample.reason, (0, 0))
            found[sample.reason] = waits + sample.contentions, delay_ns + sample.delay_ns
    longest = sorted(found.items(), key=lambda one: (-one[1][1], one[0]))[:MOST_REASONS]
    return [Contention(profile.kind, profile.taken_unix_nano, *amounts, reason) for reason, amounts in longest]


def _is_of(site: Site, sample: HeapSample | ContentionSample) -> bool:
    """Whether the stack is of a goroutine that began with what the site's goroutines run first."""
    start = plain_name(site.start_function)
    return bool(start and sample.frames) and plain_name(sample.frames[-1].function) == start


def _points(series: Series) -> tuple[tuple[int, int], ...]:
    first = max(int(series.unix_nano[0]), series.until_unix_nano - LOOKBACK_NS)
    at = moments(first, series.until_unix_nano, POINTS - 1)
    return tuple(zip(at.tolist(), Steps.of(series).live_at(at).tolist(), strict=True))


def _signs(store: Store, analyst: Analyst, series: Series, profile: GoroutineProfile | None) -> tuple[Witness, ...]:
    key = series.process.key
    cycles = [c for c in store.gc_cycles(ProcessFilter(series.host, key.pid), CYCLES) if c.process == key]
    return gc_signs(series, cycles, analyst.traces.of(series.host, key), profile)
