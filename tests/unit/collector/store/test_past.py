"""What the store says of one process in its last hour, beside what it says of it now."""

import pytest
from gosonde_collector.model.values import ProcessFilter, ProcessKey
from gosonde_collector.store.past import HOUR_NS, MOST_PARTS, grid_of
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import PAUSES_NS, CostIn, HeapIn, Past, PausesIn

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process

WHICH = ProcessFilter("web-1", KEY.pid)
OTHER = 0x2000
LARGEST = 2**63 - 1


def past(store: Store, key: ProcessKey = KEY) -> Past:
    found = store.past("web-1", key)
    assert found is not None
    return found


def test_a_site_has_at_each_end_what_it_had_last(store: Store) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 10 * n, n)], baseline=3) for n in range(1, 7)])
    store.append([batch(600, counters=[(0, OTHER, 5, 1)])])
    known = past(store)
    assert [total.site.pc for total in known.sites] == [SITE.pc, OTHER]
    assert known.live[0].tolist() == [57] * len(known.ends_unix_nano)
    assert known.live[1].tolist() == [0] * (len(known.ends_unix_nano) - 1) + [4]
    assert (known.since_unix_nano, known.ends_unix_nano[-1]) == (START, START + 600 * SECOND)


def test_what_was_before_the_hour_holds_when_it_begins(store: Store) -> None:
    store.append([batch(1, counters=[(0, SITE.pc, 50, 0)]), batch(9_000, counters=[(0, SITE.pc, 90, 10)])])
    known = past(store)
    assert known.since_unix_nano == START + 5_400 * SECOND
    assert known.live[0].tolist() == [50] * (len(known.ends_unix_nano) - 1) + [80]


def test_the_last_hour_has_the_totals_that_the_store_has_otherwise(store: Store) -> None:
    for n in range(1, 101):
        store.append(
            [
                batch(
                    n, counters=[(0, SITE.pc, 10 * n, n), (0, 0, 9 * n, n)], baseline=n % 7, costs=[(0, 1, 2, n, 3)],
                    estimates=[(0, SITE.pc, 2 * n, n, 3 * n, n, 0, 2 * n)],
                )
            ]
        )  # fmt: skip
    known = past(store)
    assert [known.known] == store.processes(WHICH)
    assert known.sites == store.sites(WHICH)
    assert known.live[:, -1].tolist() == [one.baseline + one.created - one.exited for one in known.sites]


def test_costs_are_the_newest_and_the_highest_of_each_part(store: Store) -> None:
    costs = [9, 5, 7, 30, 20]
    store.append([batch(700 * n + 1, costs=[(0, 1, 2, ppm, 0)]) for n, ppm in enumerate(costs)])
    assert [(cost.ppm, cost.highest_ppm) for cost in past(store).costs] == [(ppm, ppm) for ppm in costs]
    store.append([batch(3_400 + n, costs=[(0, 1, 2, ppm, 0)]) for n, ppm in enumerate([50, 10, 40])])
    assert past(store).costs[-1] == CostIn(len(past(store).ends_unix_nano) - 1, 40, 50)


def test_pauses_are_counted_by_their_part_and_length_each_once(store: Store) -> None:
    long, short = PAUSES_NS[-1], PAUSES_NS[1] - 1
    pauses = [(0, 1, START, short, "x"), (0, 2, START + 5, short, "x"), (0, 3, START + 900 * SECOND, long, "x")]
    store.append([batch(1, pauses=pauses[:2]), batch(2, pauses=pauses[:2]), batch(900, pauses=pauses[2:])])
    known = past(store)
    assert known.pauses == [
        PausesIn(0, 0, 2), PausesIn(len(known.ends_unix_nano) - 1, len(PAUSES_NS) - 1, 1),
    ]  # fmt: skip


def test_the_heap_of_a_part_is_its_largest_and_its_newest(store: Store) -> None:
    cycles = [(0, 0, START, START + 5), (0, 1, START + 6, START + 9), (0, 2, START + 10, START + 11)]
    heaps = [(900, 100, 50, 1_000, 1), (800, 120, 60, 1_100, 2), (0, 0, 0, 0, 0)]
    store.append([batch(1, cycles=cycles, heaps=heaps)])
    assert past(store).heaps == [HeapIn(0, 900, 60, 1_100)]


def test_of_a_process_that_has_ended_it_is_the_time_before_its_end(store: Store) -> None:
    over = process(ended_unix_nano=START + 40 * SECOND)
    store.append([batch(30, counters=[(0, SITE.pc, 5, 0)]), batch(90, processes=[over])])
    known = past(store)
    assert known.ends_unix_nano[-1] == START + 40 * SECOND
    assert known.sites[0].before is None


def test_of_a_process_that_is_not_known_there_is_nothing(store: Store) -> None:
    store.append([batch(1, counters=[(0, SITE.pc, 5, 0)])])
    assert store.past("web-2", KEY) is None
    assert store.past("web-1", ProcessKey("boot", KEY.pid, 1, 0)) is None


@pytest.mark.parametrize("since", [-LARGEST, -1, 0, START + 5 * SECOND, LARGEST])
@pytest.mark.parametrize("until", [-LARGEST, 0, 1, 33, START, START + 7_777 * SECOND, LARGEST])
def test_any_time_is_divided_into_few_parts_that_follow_each_other(since: int, until: int) -> None:
    grid = grid_of(since, until)
    ends = grid.ends
    assert 0 <= grid.since <= grid.until <= LARGEST
    assert grid.until - grid.since <= HOUR_NS
    assert 1 <= len(ends) <= MOST_PARTS
    assert list(ends) == sorted(set(ends))
    assert ends[-1] == grid.until
    assert (grid.place(grid.since >> grid.shift), grid.place(LARGEST)) == (0, len(ends) - 1)


@pytest.mark.parametrize("taken", [-LARGEST, 0, LARGEST])
def test_a_time_that_cannot_be_spoils_no_other_row(store: Store, taken: int) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 10 * n, n)]) for n in (1, 2)])
    store.append([batch(3, taken_unix_nano=taken or 1, counters=[(0, OTHER, 5, 1)], pauses=[(0, 1, taken, 5, "x")])])
    known = past(store)
    assert {total.site.pc: live for total, live in zip(known.sites, known.live[:, -1].tolist(), strict=True)} == {
        SITE.pc: 18, OTHER: 4,
    }  # fmt: skip
