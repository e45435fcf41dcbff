"""The store says what each site's totals were about a minute ago, for as long as its process runs."""

import pytest
from gosonde_collector.model.values import Before, ProcessFilter, ProcessKey
from gosonde_collector.store.protocol import Store

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process

ALL = ProcessFilter()
NOTHING = (0, 0, 0, 0, 0, 0)
LARGEST = 2**63 - 1


def before(store: Store) -> dict[int, Before | None]:
    return {total.site.pc: total.before for total in store.sites(ALL)}


def test_a_site_is_compared_with_itself_a_minute_before(store: Store) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 10 * n, n)]) for n in range(1, 101)])
    assert before(store) == {SITE.pc: Before(60 * SECOND, 400, 40, NOTHING)}


def test_between_two_observations_the_one_before_counts_and_so_does_its_time(store: Store) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 10 * n, n)]) for n in range(7, 101, 10)])
    assert before(store) == {SITE.pc: Before(60 * SECOND, 370, 37, NOTHING)}
    store.append([batch(101)])
    assert before(store) == {SITE.pc: Before(64 * SECOND, 370, 37, NOTHING)}


def test_a_site_that_rested_until_lately_is_compared_with_when_it_rested(store: Store) -> None:
    store.append([batch(1, counters=[(0, SITE.pc, 5, 1)]), batch(1_000, counters=[(0, SITE.pc, 95, 1)])])
    assert before(store) == {SITE.pc: Before(75 * SECOND, 5, 1, NOTHING)}


def test_a_site_that_is_new_is_compared_with_nothing_a_minute_before(store: Store) -> None:
    counters = [[(0, SITE.pc, n, 0)] for n in range(1, 100)]
    counters.append([(0, SITE.pc, 100, 0), (0, 0x2000, 7, 2)])
    store.append([batch(n, counters=rows) for n, rows in enumerate(counters, 1)])
    assert before(store)[0x2000] == Before(60 * SECOND, 0, 0, NOTHING)


def test_a_young_process_is_compared_with_its_beginning(store: Store) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, n, 0)]) for n in range(1, 21)])
    assert before(store) == {SITE.pc: Before(20 * SECOND, 0, 0, NOTHING)}


def test_an_estimate_is_compared_with_the_newest_of_a_minute_before(store: Store) -> None:
    for n in range(1, 101):
        estimate = (0, SITE.pc, 2 * n, n, 3 * n, n, 0, 2 * n)
        store.append([batch(n, counters=[(0, SITE.pc, 5, 1), (0, 0, 9 * n, 9 * n)], estimates=[estimate])])
    assert before(store)[SITE.pc] == Before(60 * SECOND, 5, 1, (80, 40, 120, 40, 0, 80))
    assert before(store)[0] == Before(60 * SECOND, 360, 360, NOTHING)


def test_of_a_process_that_has_ended_nothing_is_compared(store: Store) -> None:
    over = process(ProcessKey("boot", 5, 100, 0), ended_unix_nano=START + SECOND)
    store.append([batch(1, processes=[over], counters=[(0, SITE.pc, 3, 3)])])
    assert before(store) == {SITE.pc: None}


@pytest.mark.parametrize("since", [-LARGEST, 0, LARGEST])
def test_times_that_cannot_be_spoil_no_other_row(store: Store, since: int) -> None:
    wrong = process(ProcessKey("boot", 5, 100, 0), counted_since_unix_nano=since)
    two = [process(KEY), wrong]
    store.append([batch(30, processes=two, counters=[(0, SITE.pc, 3, 3), (1, 0x2000, 3, 3)])])
    found = before(store)
    assert set(found) == {SITE.pc, 0x2000}
    assert found[SITE.pc] == Before(30 * SECOND, 0, 0, NOTHING)
