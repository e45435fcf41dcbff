"""What the garbage collector does in a process that leaks. Signs, not proof: busy programs show some of them too."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis.growth import SECOND, Steps
from gosonde_collector.analysis.witnesses import AGREES, DISAGREES, SILENT, Witness
from gosonde_collector.evidence.gctrace import GcTraceLine
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.model import GcCycle
from gosonde_collector.store.records import Series

#: Cycles closer together than this are frequent.
FREQUENT_NS: Final = 80_000_000
#: The heap at the end of marking against its goal: from here on little is reclaimed, in so many successive cycles.
FULL: Final = 0.95
SUCCESSIVE: Final = 3
#: A mark termination longer than this, while more than that share of goroutines is parked, and for how long: minutes
#: are what snapshots keep.
LONG_NS: Final = 8_000_000
PARKED: Final = 0.7
PARKED_MINUTES: Final = 1
#: Cycles that any sign needs, and those that are looked at.
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
        interval(cycles[:NEWEST]),
        mark_termination(cycles[:NEWEST], snapshot),
        heap_full(lines),
        frequency(series, cycles),
    )


def interval(cycles: Sequence[GcCycle]) -> Witness:
    """How far apart cycles are."""
    if len(cycles) < MIN_CYCLES:
        return Witness("gc interval", SILENT, f"only {len(cycles)} cycles are known")
    apart = int(np.median(-np.diff([cycle.end_unix_nano for cycle in cycles])))
    verdict = AGREES if apart < FREQUENT_NS else DISAGREES
    return Witness(
        "gc interval", verdict, f"{apart / 1e6:.0f} ms between cycles; below {FREQUENT_NS / 1e6:.0f} is a sign"
    )


def mark_termination(cycles: Sequence[GcCycle], snapshot: GoroutineProfile | None) -> Witness:
    """Long stops while nearly everybody is parked."""
    stops = [p.duration_ns for cycle in cycles for p in cycle.pauses if p.reason == "GC mark termination"]
    if not stops or snapshot is None:
        return Witness("mark termination", SILENT, "no stop or no snapshot with states is known")
    parked = sum(g.count for g in snapshot.groups if g.state not in AT_WORK and g.wait_minutes >= PARKED_MINUTES)
    share = parked / snapshot.goroutines
    detail = f"longest {max(stops) / 1e6:.3f} ms of {len(stops)}, {share:.0%} of goroutines parked for a minute or more"
    return Witness("mark termination", AGREES if max(stops) > LONG_NS and share > PARKED else DISAGREES, detail)


def heap_full(lines: Sequence[GcTraceLine]) -> Witness:
    """Successive cycles that end with the heap at its goal."""
    newest = [line for line in lines[-SUCCESSIVE:] if line.goal_bytes]
    if len(newest) < SUCCESSIVE:
        return Witness("heap at goal", SILENT, "no gctrace log with as many cycles was given")
    ratios = [line.heap_end_bytes / line.goal_bytes for line in newest]
    verdict = AGREES if min(ratios) >= FULL else DISAGREES
    return Witness("heap at goal", verdict, "after/goal " + ", ".join(f"{ratio:.2f}" for ratio in ratios))


def frequency(series: Series, cycles: Sequence[GcCycle]) -> Witness:
    """Whether the GC runs more often the more goroutines live, against orders by chance."""
    ends = np.array([cycle.end_unix_nano for cycle in cycles], np.int64)
    inside = ends[(ends >= series.unix_nano[0]) & (ends <= series.until_unix_nano)]
    if len(inside) < 2 * PARTS:
        return Witness("gc frequency", SILENT, f"only {len(inside)} cycles while the site was counted")
    borders = np.linspace(inside.min(), inside.max() + 1, PARTS + 1).astype(np.int64)
    counts, _ = np.histogram(inside, borders)
    steps = Steps(series.unix_nano, series.created, series.exited, series.until_unix_nano)
    created, exited = steps.at(borders[1:])
    return _correlation(counts, created - exited, (borders[1] - borders[0]) / SECOND)


def _correlation(counts: NDArray[np.int64], live: NDArray[np.int64], seconds: float) -> Witness:
    r = _spearman(counts, live)
    random = np.random.default_rng(0)
    orders = [_spearman(random.permutation(counts), live) for _ in range(ORDERS)]
    chance = float(np.mean([other >= r for other in orders]))
    verdict = AGREES if r > 0 and chance <= BY_CHANCE else SILENT
    detail = f"rank correlation {r:.2f} with live goroutines in {PARTS} parts of {seconds:.0f} s"
    return Witness("gc frequency", verdict, f"{detail}; {chance:.0%} of orders by chance correlate as much")


def _spearman(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    ranks = [_ranks(values) for values in (first, second)]
    if any(rank.std() == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ranks from 0, those of equal values averaged."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = (last - (counts + 1) / 2)[where]
    return means
