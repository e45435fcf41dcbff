"""Signs of the garbage collector are inferred from their numbers, and missing numbers say nothing."""

from gosonde_collector.analysis import gc_signs
from gosonde_collector.evidence.gctrace import MB, GcTraceLine
from gosonde_collector.evidence.model import GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import GcCycle, Pause
from gosonde_collector.store.records import Series

from tests.unit.collector.batches import KEY, START, process
from tests.unit.collector.series import series_of, steps

MS = 1_000_000


def cycles(ends_ms: list[float], stopped_ms: float = 0.1) -> list[GcCycle]:
    """Newest first."""
    pauses = (Pause(START, int(stopped_ms * MS), "GC mark termination"),)
    return [
        GcCycle("web-1", KEY, "/srv/app", n, START, START + int(end * MS), pauses)
        for n, end in reversed(list(enumerate(ends_ms, 1)))
    ]


def test_frequent_cycles_are_a_sign() -> None:
    assert gc_signs.interval(cycles([50.0 * n for n in range(20)])).verdict == "agrees"
    assert gc_signs.interval(cycles([500.0 * n for n in range(20)])).verdict == "disagrees"
    assert gc_signs.interval(cycles([1.0, 2.0])).verdict == "silent"


def profile(parked: int, running: int, waited_s: int = 31) -> GoroutineProfile:
    groups = (GoroutineGroup(parked, (), None, "chan receive", waited_s), GoroutineGroup(running, (), None, "running"))
    return GoroutineProfile("memory", groups)


def test_long_mark_terminations_among_parked_goroutines_are_a_sign() -> None:
    assert gc_signs.mark_termination(cycles([1.0], 9.0), profile(80, 20)).verdict == "agrees"
    assert gc_signs.mark_termination(cycles([1.0], 7.0), profile(80, 20)).verdict == "disagrees"
    assert gc_signs.mark_termination(cycles([1.0], 9.0), profile(60, 40)).verdict == "disagrees"
    assert gc_signs.mark_termination(cycles([1.0], 9.0), profile(80, 20, waited_s=29)).verdict == "disagrees"
    assert gc_signs.mark_termination(cycles([1.0], 9.0), None).verdict == "silent"


def test_pauses_are_told_by_phase() -> None:
    detail = gc_signs.pauses(cycles([1.0, 2.0, 3.0], 2.0)).detail
    assert detail == "GC mark termination 3 times, median 2.000, 99th percentile 2.000, longest 2.000 ms"
    assert gc_signs.pauses([]).verdict == "silent"


def line(end_mb: int, at_s: float = 0, marked_mb: int = 0) -> GcTraceLine:
    return GcTraceLine(1, int(at_s * 1e9), 0, 0, 0, end_mb * MB, marked_mb * MB, 100 * MB, None, forced=False)


def test_a_heap_that_ends_at_its_goal_again_and_again_is_a_sign() -> None:
    assert gc_signs.heap_full([line(50), line(97), line(99), line(101)]).verdict == "agrees"
    assert gc_signs.heap_full([line(97), line(60), line(101)]).verdict == "disagrees"
    assert gc_signs.heap_full([line(99)]).verdict == "silent"


def leak() -> Series:
    grown = steps([10 * second for second in range(1, 121)])
    return series_of(grown, process())


def test_cycles_that_come_the_more_often_the_more_goroutines_live_correlate() -> None:
    faster = [120_000 * (n / 200) ** 0.5 for n in range(200)]
    steady = [600.0 * n for n in range(200)]
    assert gc_signs.frequency(leak(), cycles(faster)).verdict == "agrees"
    assert gc_signs.frequency(leak(), cycles(steady)).verdict == "silent"
    assert gc_signs.frequency(leak(), cycles([1.0, 2.0])).verdict == "silent"


def test_a_heap_that_grows_along_with_the_goroutines_correlates() -> None:
    growing = [line(1, 5 * n, 4 + 3 * n) for n in range(24)]
    constant = [line(1, 5 * n, 4 + n % 3) for n in range(24)]
    assert gc_signs.heap(leak(), growing).verdict == "agrees"
    assert gc_signs.heap(leak(), constant).verdict == "silent"
    assert gc_signs.heap(leak(), growing[:5]).verdict == "silent"
