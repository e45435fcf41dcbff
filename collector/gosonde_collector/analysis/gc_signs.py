"""What the garbage collector does in a process that leaks. Signs, not proof: busy programs show some of them too."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.analysis.witnesses import (
    AGREES,
    DISAGREES,
    SILENT,
    Witness,
)
from gosonde_collector.evidence.gctrace import GcTraceLine
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.model.values import GcCycle
from gosonde_collector.store.records import Series

#: Cycles closer together than this are frequent.
FREQUENT_NS: Final = 80_000_000
#: The heap at the end of marking against its goal: from here on little is reclaimed, in so many successive cycles.
FULL: Final = 0.95
SUCCESSIVE: Final = 3
#: A mark termination longer than this, while more than that share of goroutines is parked, and for how many seconds: at
#: least, because the runtime notes no wait before its next garbage collection.
LONG_NS: Final = 8_000_000
PARKED: Final = 0.7
PARKED_S: Final = 30
#: Cycles that any sign needs, and those that are examined.
MIN_CYCLES, NEWEST = 5, 50
#: Parts of the time for the correlation, and orders by chance that it is held against.
PARTS, ORDERS = 12, 500
#: The share of those orders that correlate as much, for it to be no chance.
BY_CHANCE: Final = 0.01
AT_WORK: Final = frozenset({"running", "runnable", "syscall", ""})


def gc_signs(
    series: Series, cycles: Sequence[GcCycle], lines: Sequence[GcTraceLine], snapshot: GoroutineProfile | None
) -> tuple[Witness, ...]:
    """Every sign, for one process; `cycles` are the newest first, `lines` oldest first."""
    return (
        pauses(cycles),
        interval(cycles[:NEWEST]),
        mark_termination(cycles[:NEWEST], snapshot),
        heap_full(lines),
        frequency(series, cycles),
        heap(series, lines),
    )


def pauses(cycles: Sequence[GcCycle]) -> Witness:
    """How long the world stood still in each phase: numbers to read, for or against nothing."""
    stops: dict[str, list[int]] = {}
    for pause in (pause for cycle in cycles for pause in cycle.pauses):
        stops.setdefault(pause.reason, []).append(pause.duration_ns)
    if not stops:
        return Witness("pauses", SILENT, "no stop-the-world pause was seen")
    return Witness("pauses", SILENT, "; ".join(f"{phase} {_quantiles(ns)}" for phase, ns in sorted(stops.items())))


def _quantiles(durations_ns: Sequence[int]) -> str:
    middle, high, longest = np.quantile(durations_ns, (0.5, 0.99, 1.0)) / 1e6
    return f"{len(durations_ns)} times, median {middle:.3f}, 99th percentile {high:.3f}, longest {longest:.3f} ms"


def interval(cycles: Sequence[GcCycle]) -> Witness:
    """How far apart cycles are."""
    if len(cycles) < MIN_CYCLES:
        return Witness("gc interval", SILENT, f"only {len(cycles)} cycles were seen")
    apart = int(np.median(-np.diff([cycle.end_unix_nano for cycle in cycles])))
    verdict = AGREES if apart < FREQUENT_NS else DISAGREES
    return Witness(
        "gc interval", verdict, f"{apart / 1e6:.0f} ms between cycles; less than {FREQUENT_NS / 1e6:.0f} ms is a sign"
    )


def mark_termination(cycles: Sequence[GcCycle], snapshot: GoroutineProfile | None) -> Witness:
    """Long stops while nearly everybody is parked."""
    stops = [p.duration_ns for cycle in cycles for p in cycle.pauses if p.reason == "GC mark termination"]
    if not stops or snapshot is None:
        return Witness("mark termination", SILENT, "no mark termination was seen, or no snapshot shows states")
    parked = sum(g.count for g in snapshot.groups if g.state not in AT_WORK and g.wait_s >= PARKED_S)
    share = parked / snapshot.goroutines
    detail = (
        f"longest of {len(stops)} {max(stops) / 1e6:.3f} ms, {share:.0%} of goroutines parked for {PARKED_S} s or more"
    )
    return Witness("mark termination", AGREES if max(stops) > LONG_NS and share > PARKED else DISAGREES, detail)


def heap_full(lines: Sequence[GcTraceLine]) -> Witness:
    """Successive cycles that end with the heap at its goal."""
    newest = [line for line in lines[-SUCCESSIVE:] if line.goal_bytes]
    if len(newest) < SUCCESSIVE:
        return Witness("heap at goal", SILENT, f"no gctrace log with {SUCCESSIVE} cycles was pushed")
    ratios = [line.heap_end_bytes / line.goal_bytes for line in newest]
    verdict = AGREES if min(ratios) >= FULL else DISAGREES
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return Witness("heap at goal", verdict, f"heap after marking / heap goal: {shown}")


def frequency(series: Series, cycles: Sequence[GcCycle]) -> Witness:
    """Whether the GC runs more often the more goroutines live, against orders by chance."""
    ends = np.array([cycle.end_unix_nano for cycle in cycles], np.int64)
    inside = ends[(ends >= series.unix_nano[0]) & (ends <= series.until_unix_nano)]
    if len(inside) < 2 * PARTS:
        return Witness("gc frequency", SILENT, f"too few GC cycles while the site was counted ({len(inside)})")
    borders = np.linspace(inside.min(), inside.max() + 1, PARTS + 1).astype(np.int64)
    counts, _ = np.histogram(inside, borders)
    live = Steps.of(series).live_at(borders[1:])
    return _correlation("gc frequency", counts, live, f"{PARTS} parts of {(borders[1] - borders[0]) / SECOND:.0f} s")


def heap(series: Series, lines: Sequence[GcTraceLine]) -> Witness:
    """Whether more of the heap is in use the more goroutines live, cycle by cycle, against orders by chance."""
    ends = np.array([series.process.started_unix_nano + line.at_ns for line in lines], np.int64)
    inside = np.flatnonzero((ends >= series.unix_nano[0]) & (ends <= series.until_unix_nano))
    if len(inside) < PARTS:
        return Witness("heap in use", SILENT, f"the gctrace log has too few cycles of that time ({len(inside)})")
    # No more than PARTS of them: what is in use hardly changes from one cycle to the next, which is no proof.
    chosen = inside[np.linspace(0, len(inside) - 1, PARTS).astype(np.int64)]
    in_use = np.array([lines[number].heap_marked_bytes for number in chosen], np.int64)
    return _correlation(
        "heap in use", in_use, Steps.of(series).live_at(ends[chosen]), f"{PARTS} of {len(inside)} cycles"
    )


def _correlation(name: str, counts: NDArray[np.int64], live: NDArray[np.int64], of: str) -> Witness:
    r = _spearman(counts, live)
    random = np.random.default_rng(0)
    # Orders of the same ranks differ in nothing but the sum of products. Twice a rank is whole: these sums are exact.
    ranks, beside = ((2 * _ranks(values)).astype(np.int64) for values in (counts, live))
    orders = np.array([random.permutation(ranks) for _ in range(ORDERS)])
    chance = float(np.mean(orders @ beside >= ranks @ beside))
    verdict = AGREES if r > 0 and chance <= BY_CHANCE else SILENT
    detail = f"rank correlation {r:.2f} with live goroutines over {of}"
    return Witness(name, verdict, f"{detail}; {chance:.0%} of random orders correlate as much")


def _spearman(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    ranks = [_ranks(values) for values in (first, second)]
    if any(rank.std() == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ranks from 0, those of equal values averaged."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    selects: NDArray[np.float64] = (last - (counts + 1) / 2)[where]
    return selects
