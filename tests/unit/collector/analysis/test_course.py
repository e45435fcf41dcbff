"""How a site went: rates between real observations, gaps where there was none, and the garbage collector beside it."""

from collections.abc import Iterable
from typing import Any

from gosonde_collector.analysis.course import POINTS, Point, course
from gosonde_collector.analysis.growth import LOOKBACK_NS
from gosonde_collector.model.values import Batch
from gosonde_collector.store.duckdb import DuckDBStore

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process

MIB = 1 << 20


def gone(store: DuckDBStore, batches: Iterable[Batch]) -> tuple[Point, ...]:
    store.append(list(batches))
    series = store.site_series("web-1", KEY, SITE.pc, LOOKBACK_NS)
    assert series is not None
    return course(store, series)


def counted(second: int, created: int = 0, exited: int = 0, **more: Any) -> Batch:
    return batch(second, counters=[(0, SITE.pc, created, exited)], **more)


def test_rates_are_what_was_counted_between_two_observations(store: DuckDBStore) -> None:
    points = gone(store, (counted(second, 7 * second, 2 * second) for second in range(1, 601)))
    assert len(points) <= POINTS
    assert points[0].created_per_second is None
    assert {(point.created_per_second, point.exited_per_second) for point in points[1:]} == {(7.0, 2.0)}
    assert (points[-1].unix_nano, points[-1].live) == (START + 600 * SECOND, 3_000)
    assert not any(point.is_estimated or point.is_after_gap for point in points)


def test_a_few_observations_make_no_rates_of_single_ones(store: DuckDBStore) -> None:
    points = gone(store, (counted(second, 10 * (second // 2)) for second in range(1, 11)))
    assert [(point.unix_nano - START) // SECOND for point in points] == [0, 5, 10]


def test_where_nothing_was_observed_there_is_a_gap_and_no_rate(store: DuckDBStore) -> None:
    seconds = [*range(1, 101), *range(400, 501)]
    points = gone(store, (counted(second, second) for second in seconds))
    gap = next(place for place, point in enumerate(points) if point.is_after_gap)
    before, after = points[gap - 1], points[gap]
    assert ((before.unix_nano - START) // SECOND, (after.unix_nano - START) // SECOND) == (100, 400)
    assert (after.live, after.created_per_second, after.exited_per_second) == (400, None, None)
    assert sum(point.is_after_gap for point in points) == 1
    assert all(point.created_per_second == 1.0 for point in (*points[1:gap], *points[gap + 1 :]))


def test_no_news_of_a_site_is_no_gap_while_its_agent_is_heard(store: DuckDBStore) -> None:
    points = gone(store, [counted(1, 60), *(batch(second) for second in range(2, 301))])
    assert not any(point.is_after_gap for point in points)
    assert {point.live for point in points[1:]} == {60}
    assert {point.created_per_second for point in points[2:]} == {0.0}


def test_a_long_interval_is_no_gap(store: DuckDBStore) -> None:
    points = gone(store, (counted(second, second) for second in range(60, 3_001, 60)))
    assert not any(point.is_after_gap for point in points)


def test_what_is_estimated_is_in_the_rates_and_marked(store: DuckDBStore) -> None:
    sampled = process(level="sampled", precise=False)
    batches = [
        batch(
            second,
            processes=[sampled],
            counters=[(0, SITE.pc, 1, 0)],
            estimates=[(0, SITE.pc, 20 * second, 15 * second, 25 * second, 5 * second, 0, 9 * second)],
        )
        for second in range(1, 61)
    ]
    points = gone(store, batches)
    assert all(point.is_estimated for point in points[1:])
    assert points[-1].created_per_second == 20.0
    assert points[-1].exited_per_second == 5.0
    assert points[-1].live == 1


def test_pauses_and_heap_stand_at_the_moments_of_the_site(store: DuckDBStore) -> None:
    def collected(number: int, second: int, longest_ns: int, marked: int) -> Batch:
        end = START + second * SECOND - SECOND // 2
        return counted(
            second,
            second,
            cycles=[(0, number, end - SECOND // 10, end)],
            heaps=[(2 * marked, 2 * marked, marked, 4 * marked, number + 1)],
            pauses=[(0, number, end, longest_ns, "GC mark termination")],
        )

    batches = {second: counted(second, second) for second in range(1, 61)}
    batches |= {12: collected(0, 12, 40_000, 3 * MIB), 14: collected(1, 14, 90_000, 5 * MIB)}
    points = gone(store, batches.values())
    busy = [point for point in points if point.gc_cycles]
    assert [(point.unix_nano - START) // SECOND for point in busy] == [15]
    assert (busy[0].gc_cycles, busy[0].longest_pause_ns) == (2, 90_000)
    known = [point for point in points if point.heap_marked_bytes]
    assert [(point.unix_nano - START) // SECOND for point in known] == list(range(15, 61, 5))
    assert {(point.heap_marked_bytes, point.heap_goal_bytes) for point in known} == {(5 * MIB, 20 * MIB)}
    assert points[-1].longest_pause_ns is None


def test_a_heap_from_before_a_gap_says_nothing_of_after_it(store: DuckDBStore) -> None:
    first = counted(1, 1, cycles=[(0, 0, START, START + 1)], heaps=[(1, 1, 1, 1, 1)])
    points = gone(store, [first, *(counted(second, second) for second in (*range(2, 31), *range(300, 331)))])
    gap = next(place for place, point in enumerate(points) if point.is_after_gap)
    assert {point.heap_marked_bytes for point in points[1:gap]} == {1}
    assert {point.heap_marked_bytes for point in points[gap:]} == {None}
