"""Every store keeps what it was given, once, and gives the latest back."""

from dataclasses import replace

import numpy as np
import pytest
from gosonde_collector.evidence.context import HeapProfile, HeapSample
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.errors import StoreError
from gosonde_collector.model.values import (
    Estimate,
    Heap,
    Pause,
    ProcessFilter,
    ProcessKey,
    Step,
)
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import FindingRecord, Series
from gosonde_common.values.http import HostConnections

from tests.unit.collector.batches import KEY, SECOND, SITE, START, STREAM, batch, process
from tests.unit.collector.stores import OpenStore

ALL = ProcessFilter()
HOUR = 3_600 * SECOND
AGAIN = replace(STREAM, agent_epoch="epoch-2")


def totals(store: Store) -> list[tuple[int, int]]:
    return [(total.created, total.exited) for total in store.sites(ALL)]


def followed(store: Store, *pcs: int) -> list[Series]:
    return store.series([(number, pc) for number in store.running() for pc in pcs], HOUR)


def test_the_latest_total_of_a_site_counts_not_the_sum(store: Store) -> None:
    store.append([batch(1, counters=[(0, SITE.pc, 10, 2)]), batch(2, counters=[(0, SITE.pc, 25, 4)])])
    (total,) = store.sites(ALL)
    assert (total.created, total.exited, total.site, total.host) == (25, 4, SITE, "web-1")


def test_a_process_with_steps_among_thousands_without_is_stored(store: Store) -> None:
    many = [process(replace(KEY, pid=number)) for number in range(1, 2_049)]
    many[1_001] = replace(many[1_001], steps=(Step(START, "memory", "budget", 70_000),))
    store.append([batch(1, processes=many)])
    reported = {found.process.key.pid: found.process.steps for found in store.processes(ALL)}
    assert len(reported) == 2_048
    assert {pid for pid, steps in reported.items() if steps} == {1_002}


def test_totals_that_no_process_can_have_spoil_no_other_process(store: Store) -> None:
    huge = [(0, SITE.pc + number, 2**62, 0) for number in range(3)]
    store.append([batch(1, processes=[process(), process(replace(KEY, pid=1))], counters=[*huge, (1, SITE.pc, 5, 0)])])
    assert {found.process.key.pid: found.created for found in store.processes(ALL)} == {KEY.pid: 2**63 - 1, 1: 5}


def test_a_batch_that_comes_again_changes_nothing(store: Store) -> None:
    first = batch(1, counters=[(0, SITE.pc, 10, 2)], pauses=[(0, 0, START, 5, "GC")])
    store.append([first, first])
    store.append([batch(2, counters=[(0, SITE.pc, 25, 4)]), first])
    assert totals(store) == [(25, 4)]
    assert store.acknowledged(STREAM) == 2


def test_a_late_lower_total_does_not_make_the_count_fall(store: Store) -> None:
    store.append([batch(1, counters=[(0, SITE.pc, 25, 4)]), batch(2, counters=[(0, SITE.pc, 20, 3)])])
    assert totals(store) == [(25, 4)]
    series = store.site_series("web-1", KEY, SITE.pc, HOUR)
    assert series
    assert list(series.created) == [0, 25, 25]


def test_a_site_named_later_has_its_name_everywhere(store: Store) -> None:
    store.append([batch(1, counters=[(0, SITE.pc, 1, 0)], sites=())])
    assert store.sites(ALL)[0].site.function == ""
    store.append([batch(2)])
    assert store.sites(ALL)[0].site == SITE


def test_a_new_run_of_the_agent_counts_anew(store: Store) -> None:
    store.append([batch(9, counters=[(0, SITE.pc, 100, 90)])])
    assert store.acknowledged(AGAIN) == 0
    store.append([batch(1, stream=AGAIN, counters=[(0, SITE.pc, 3, 1)])])
    assert totals(store) == [(3, 1)]
    assert [known.created for known in store.processes(ALL)] == [3]


def test_what_a_former_run_left_counts_for_that_run_although_it_is_stored_later(store: Store) -> None:
    first, second = replace(STREAM, agent_run=1), replace(AGAIN, agent_run=2)
    store.append([batch(9, stream=first, counters=[(0, SITE.pc, 100, 90)])])
    store.append([batch(1, stream=second, counters=[(0, SITE.pc, 3, 1)])])
    store.append([batch(1_000, stream=first, counters=[(0, SITE.pc, 120, 95)])])
    assert totals(store) == [(3, 1)]
    (known,) = store.processes(ALL)
    assert (known.created, known.process.ended_unix_nano) == (3, 0)
    everything = ProcessFilter(all_runs=True)
    assert sorted((total.created, total.exited) for total in store.sites(everything)) == [(3, 1), (120, 95)]
    assert [known.process.ended_unix_nano > 0 for known in store.processes(everything)] == [False, True]


def test_a_stream_of_another_host_does_not_advance_this_ones(store: Store) -> None:
    store.append([batch(9, stream=replace(STREAM, host="web-2"))])
    assert store.acknowledged(STREAM) == 0


def test_a_process_that_a_new_run_of_the_agent_does_not_know_is_over(store: Store) -> None:
    store.append([batch(9)])
    other = ProcessKey("boot", 5, 100, 0)
    store.append([batch(1, stream=AGAIN, processes=[process(other)])])
    ended = {known.process.key.pid: known.process.ended_unix_nano for known in store.processes(ALL)}
    assert ended == {5: 0, KEY.pid: START + 9 * SECOND}


def test_processes_are_chosen_by_host_and_pid(store: Store) -> None:
    elsewhere = replace(STREAM, agent_id="other", host="web-2")
    store.append([batch(1), batch(1, stream=elsewhere, processes=[process(), process(ProcessKey("boot", 5, 1, 0))])])
    assert len(store.processes(ALL)) == 3
    assert len(store.processes(ProcessFilter("web-2"))) == 2
    assert len(store.processes(ProcessFilter("", KEY.pid))) == 2
    assert len(store.processes(ProcessFilter("web-1", 5))) == 0


def test_processes_that_began_together_with_one_pid_are_in_the_order_of_their_hosts(store: Store) -> None:
    hosts = [f"web-{number}" for number in range(9, 0, -1)]
    store.append([batch(1, stream=replace(STREAM, host=host)) for host in hosts])
    assert [known.host for known in store.processes(ALL)] == sorted(hosts)


def test_a_refused_process_is_listed_with_the_reason(store: Store) -> None:
    refused = process(level="refused", refusal="a 32-bit binary")
    store.append([batch(1, processes=[refused])])
    (known,) = store.processes(ALL)
    assert known.process == refused
    assert known.created == 0


def test_what_is_said_last_of_a_process_counts(store: Store) -> None:
    store.append([batch(1), batch(2, processes=[process(ended_unix_nano=START + SECOND)])])
    assert [known.process.ended_unix_nano for known in store.processes(ALL)] == [START + SECOND]


def test_a_cycle_holds_the_stops_that_overlap_it_each_once(store: Store) -> None:
    cycles = [(0, 0, START + 100, START + 500), (0, 1, START + 900, START + 990)]
    pauses = [
        (0, 0, START + 95, 10, "GC sweep termination"),
        (0, 1, START + 498, 7, "GC mark termination"),
        (0, 2, START + 700, 5, "ReadMemStats"),
    ]
    store.append([batch(1, cycles=cycles, pauses=pauses), batch(2, cycles=cycles, pauses=pauses)])
    newest, oldest = store.gc_cycles(ALL, 10)
    assert (newest.cycle, newest.pauses) == (2, ())
    assert oldest.pauses == (
        Pause(START + 95, 10, "GC sweep termination"),
        Pause(START + 498, 7, "GC mark termination"),
    )
    assert [cycle.cycle for cycle in store.gc_cycles(ALL, 1)] == [2]


def test_a_cycles_heap_is_told_once_it_is_known(store: Store) -> None:
    cycles = [(0, 0, START + 100, START + 500), (0, 1, START + 900, START + 990)]
    heaps = [(0, 0, 0, 0, 0), (7, 8, 3, 9, 0)]
    store.append([batch(1, cycles=cycles), batch(2, cycles=cycles, heaps=heaps)])
    assert [cycle.heap for cycle in store.gc_cycles(ALL, 10)] == [Heap(7, 8, 3, 9), None]


@pytest.mark.parametrize(
    ("read", "numbers"),
    [
        ((0, 0, 0, 0), (0, 0, 0, 0)),
        ((0, 8, 0, 10), (7, 8, 9, 10)),
        ((7, 0, 0, 0), (7, 0, 0, 0)),
        ((7, 0, 0, 25), (7, 0, 0, 25)),
        ((0, 0, 9, 0), (7, 8, 9, 0)),
    ],
    ids=["none is known", "between", "after the last", "some were not counted", "before the first"],
)
def test_a_cycle_has_the_runtimes_number_where_that_is_sure(
    store: Store, read: tuple[int, ...], numbers: tuple[int, ...]
) -> None:
    cycles = [(0, ordinal, START + 100 * ordinal, START + 100 * ordinal + 50) for ordinal in range(4)]
    store.append([batch(1, cycles=cycles, heaps=[(0, 0, 0, 0, number) for number in read])])
    assert tuple(cycle.number for cycle in store.gc_cycles(ALL, 10))[::-1] == numbers
    assert [cycle.number for cycle in store.gc_cycles(ALL, 1)] == [numbers[-1]]


def test_a_cycle_older_than_the_counting_holds_its_last_stop(store: Store) -> None:
    store.append([batch(1, cycles=[(0, 0, 0, START + 500)], pauses=[(0, 0, START + 498, 7, "GC mark termination")])])
    assert len(store.gc_cycles(ALL, 10)[0].pauses) == 1


def test_a_series_begins_with_zero_at_the_beginning_of_counting(store: Store) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 10 * n, n)]) for n in range(1, 6)])
    (series,) = followed(store, SITE.pc)
    assert list(series.unix_nano - START) == [second * SECOND for second in range(6)]
    assert list(series.live) == [0, 9, 18, 27, 36, 45]
    assert series.site == SITE


def test_a_series_reaches_to_the_newest_batch_even_if_its_site_rests(store: Store) -> None:
    store.append([batch(1, counters=[(0, SITE.pc, 10, 0)]), batch(2, counters=[(0, SITE.pc, 30, 0)]), batch(90)])
    (series,) = followed(store, SITE.pc)
    assert series.until_unix_nano == START + 90 * SECOND


def test_a_series_of_the_recent_past_begins_with_what_held_before(store: Store) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 10 * n, 0)]) for n in range(1, 101)])
    series = store.site_series("web-1", KEY, SITE.pc, 10 * SECOND)
    assert series
    assert list(series.created) == [10 * n for n in range(89, 101)]


def test_only_sites_of_running_processes_are_series(store: Store) -> None:
    quiet = replace(SITE, pc=0x2000)
    rows = [[(0, SITE.pc, 10 * n, 0), (0, quiet.pc, 1_000 * n, 1_000 * n - 5)] for n in range(1, 6)]
    store.append([batch(n, counters=row) for n, row in enumerate(rows, 1)])
    assert {series.site.pc for series in followed(store, SITE.pc, quiet.pc)} == {SITE.pc, quiet.pc}
    (number,) = store.running()
    store.append([batch(6, processes=[process(ended_unix_nano=START)])])
    assert store.running() == {}
    assert store.series([(number, SITE.pc)], HOUR) == []
    assert store.site_series("web-1", KEY, SITE.pc, HOUR) is None


def test_new_counters_come_once_in_the_order_in_which_they_were_stored(store: Store) -> None:
    for n in range(1, 8):
        store.append([batch(n, counters=[(0, SITE.pc, 10 * n, n)])])
    seen, stored = [], 0
    while counters := store.new_counters(stored, 3):
        seen += counters.created.tolist()
        stored = counters.stored_unix_nano
    assert seen == [10 * n for n in range(1, 8)]
    store.append([batch(8, counters=[(0, SITE.pc, 80, 8)], taken_unix_nano=START)])
    counters = store.new_counters(stored, 3)
    assert counters
    assert counters.created.tolist() == [80]


def test_what_held_before_the_recent_past_is_given_at_once(store: Store) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 10 * n, n)]) for n in range(1, 101)])
    base = store.base_counters(10 * SECOND)
    assert (base.created.tolist(), base.exited.tolist()) == ([890], [89])
    later = store.new_counters(base.stored_unix_nano, 1_000)
    assert later
    assert int(later.created[-1]) == 1_000


def test_a_snapshot_comes_back_as_it_went_in(store: Store) -> None:
    groups = (
        GoroutineGroup(
            5,
            (Frame("main.f", "a.go", 1), Frame("main.g", "b.go", 2)),
            Frame("main.h", "c.go", 3),
            "select",
            7,
            (3, 9),
            4_096,
        ),
        GoroutineGroup(1, ()),
    )
    store.add_snapshot("web-1", KEY, START, GoroutineProfile("debug=2", (GoroutineGroup(1, ()),)))
    newest = store.add_snapshot("web-1", KEY, START + 1, GoroutineProfile("debug=2", groups))
    (head,) = store.snapshot_heads(1)
    assert (head.host, head.process, head.from_memory, head.id) == ("web-1", KEY, False, newest)
    snapshot = store.snapshot(newest)
    assert snapshot
    assert (snapshot.id, snapshot.taken_unix_nano, snapshot.profile.groups) == (newest, START + 1, groups)
    assert len(store.snapshot_heads(5)) == 2
    assert store.snapshot("another") is None


def test_a_snapshot_has_the_hosts_that_it_came_with(store: Store) -> None:
    hosts = (HostConnections("https://api:443", 40, 37, 0, 3, 30),)
    groups = (GoroutineGroup(1, ()),)
    stored = store.snapshot(store.add_snapshot("web-1", KEY, START, GoroutineProfile("memory", groups, hosts=hosts)))
    assert stored
    assert (stored.profile.hosts, stored.profile.labels) == (hosts, ())


def test_profiles_of_a_process_are_its_own_the_newest_first_and_none_of_them_is_lost_from_the_count(
    store: Store,
) -> None:
    many = GoroutineProfile("debug=1", (GoroutineGroup(2**62, ()), GoroutineGroup(2**62, ()), GoroutineGroup(7, ())))
    oldest = store.add_snapshot("web-1", KEY, START, GoroutineProfile("memory", (GoroutineGroup(3, ()),)))
    newest = store.add_snapshot("web-1", KEY, START + 2, many)
    heap = store.add_snapshot("web-1", KEY, START + 1, HeapProfile((HeapSample((), 1, 2, 3, 4),)))
    store.add_snapshot("web-1", replace(KEY, exec_epoch=1), START + 9, many)
    others = store.add_snapshot("web-2", KEY, START + 9, many)
    found, known = store.profiles("web-1", KEY, 2)
    assert known == 3
    assert [(one.id, one.kind, one.format, one.goroutines, one.groups) for one in found] == [
        (newest, "goroutine", "debug=1", 2**63 + 7, 3),
        (heap, "heap", "proto", 0, 0),
    ]
    ((one,), _) = store.profiles("web-1", KEY, 2, oldest)
    assert (one.id, one.format, one.taken_unix_nano, one.goroutines) == (oldest, "memory", START, 3)
    assert store.profiles("web-1", KEY, 2, others) == ([], 0)


def test_only_the_newest_version_of_a_finding_is_given(store: Store) -> None:
    store.save_findings([FindingRecord("a", 1, "old"), FindingRecord("b", 1, "other")])
    store.save_findings([FindingRecord("a", 2, "new")])
    assert sorted(record.document for record in store.findings()) == ["new", "other"]


@pytest.fixture
def clock() -> list[int]:
    """The time by which `timed` stores."""
    return [START]


@pytest.fixture
def timed(open_one: OpenStore, clock: list[int]) -> Store:
    return open_one("timed", lambda: clock[0])


def test_the_newest_estimate_of_parks_counts_and_its_bounds_may_come_closer(store: Store) -> None:
    store.append([batch(1, parks=[(0, "select", 2, 50, 10, 0, 3, 7, 8), (0, "sleep", 1, 90, 60, 99, 3, 7, 8)])])
    store.append([batch(2, parks=[(0, "select", 4, 95, 70, 99, 4, 9, 10)])])
    newest = [(row.wait_reason, row.parks, row.parks_low, row.parks_high, row.windows) for row in store.parks(ALL)]
    assert newest == [("select", 95, 70, 99, 4), ("sleep", 90, 60, 99, 3)]
    assert store.parks(ProcessFilter(pid=4242)) == []


def test_an_estimate_of_parks_may_have_no_upper_bound_and_what_an_older_agent_counted_is_none(
    store: Store,
) -> None:
    store.append([batch(1, parks=[(0, "select", 2, 50, 10, 0, 3, 7, 8), (0, "sleep", 1000, 0, 0, 0, 0, 0, 0)])])
    assert [(row.wait_reason, row.parks_high) for row in store.parks(ALL)] == [("select", None)]


def test_the_newest_estimate_of_a_site_counts_although_it_is_lower(store: Store) -> None:
    counters = [(0, SITE.pc, 5, 1), (0, 0, 90, 90)]
    store.append([batch(1, counters=counters, estimates=[(0, SITE.pc, 60, 50, 70, 60, 50, 70)])])
    store.append([batch(3, estimates=[(0, SITE.pc, 55, 52, 58, 54, 51, 57)])])
    nameless, total = sorted(store.sites(ALL), key=lambda row: row.site.pc)
    assert total.estimate == Estimate(55, 52, 58, 54, 51, 57, 3, 30_000_000)
    assert (total.created, total.exited, total.shared_created, total.shared_exited) == (5, 1, 0, 0)
    assert nameless.estimate is None
    assert (nameless.created, nameless.shared_created, nameless.shared_exited) == (90, 55, 54)


def test_what_is_estimated_of_one_process_says_nothing_of_another(store: Store) -> None:
    two = [process(), process(ProcessKey("boot", 5, 100, 0))]
    counters = [(place, pc, 7, 7) for place in (0, 1) for pc in (0, SITE.pc)]
    store.append([batch(1, processes=two, counters=counters, estimates=[(1, SITE.pc, 6, 0, 7, 6, 0, 7)])])
    rows = {(row.process.pid, row.site.pc): row for row in store.sites(ALL)}
    assert rows[KEY.pid, SITE.pc].estimate is None
    assert rows[KEY.pid, 0].shared_created == 0
    assert rows[5, SITE.pc].estimate
    assert rows[5, 0].shared_created == 6


def test_estimates_that_no_process_can_have_spoil_no_other_row(store: Store) -> None:
    pcs, most = range(1, 9), (1 << 62) - 1
    counters = [(0, pc, most, 0) for pc in (0, *pcs)]
    store.append([batch(1, counters=counters, estimates=[(0, pc, *[most] * 6) for pc in pcs])])
    rows = {row.site.pc: row for row in store.sites(ALL)}
    assert len(rows) == 9
    assert rows[0].shared_created == (1 << 63) - 1


def test_old_estimates_go_but_the_newest_of_what_runs_stays(timed: Store, clock: list[int]) -> None:
    over = process(ProcessKey("boot", 5, 100, 0), ended_unix_nano=START + SECOND)
    for n in range(1, 4):
        clock[0] = START + n * HOUR
        processes = [process(), over] if n == 1 else [process()]
        counters = [(place, SITE.pc, n, 0) for place in range(len(processes))]
        estimates = [(place, SITE.pc, 10 * n, 0, 99, 0, 0, 9) for place in range(len(processes))]
        timed.append([batch(n, processes=processes, counters=counters, estimates=estimates)])
    timed.expire(START + 3 * HOUR)
    (row,) = timed.sites(ALL)
    assert row.estimate
    assert row.estimate.created == 30
    (number,) = timed.running()
    (kept,) = timed.estimates([(number, SITE.pc)], HOUR).values()
    assert kept.created[0].tolist() == [20, 30]


@pytest.mark.parametrize("wrong_ns", [0, 3_000 * HOUR, -3_000 * HOUR], ids=["right", "ahead", "behind"])
def test_what_is_too_old_goes_but_the_totals_of_what_runs_stay(timed: Store, clock: list[int], wrong_ns: int) -> None:
    """What is old was stored long ago, however wrong the agent's clock is."""
    store = timed
    resting = replace(SITE, pc=0x2000)
    store.append(
        [
            batch(
                1,
                counters=[(0, resting.pc, 7, 3)],
                parks=[(0, "select", 1, 5, 3, 9, 3, 1, 2)],
                totals=[(0, 1, 2, 3)],
                losses={"x": 1},
            )
        ]
    )
    for n in range(2, 101):
        clock[0] = START + n * HOUR
        taken = clock[0] + wrong_ns
        store.append([batch(n, counters=[(0, SITE.pc, n, 0)], losses={"x": n}, taken_unix_nano=taken)])
    store.expire(START + 90 * HOUR)
    assert sorted(totals(store)) == [(7, 3), (100, 0)]
    assert [row.parks for row in store.parks(ALL)] == [5]
    series = store.site_series("web-1", KEY, SITE.pc, 200 * HOUR)
    assert series
    assert int(series.created[1]) == 89
    assert store.acknowledged(STREAM) == 100


@pytest.mark.parametrize("wrong_ns", [0, 3_000 * HOUR, -3_000 * HOUR], ids=["right", "ahead", "behind"])
def test_an_ended_process_goes_when_its_end_was_told_too_long_ago(
    timed: Store, clock: list[int], wrong_ns: int
) -> None:
    store = timed
    ended = process(ended_unix_nano=START + SECOND + wrong_ns)
    running = process(ProcessKey("boot", 5, 100, 0))
    store.append([batch(1, processes=[ended, running], counters=[(0, SITE.pc, 1, 0), (1, SITE.pc, 2, 0)])])
    clock[0] = START + 3 * HOUR
    store.append([batch(2, processes=[running], counters=[(0, SITE.pc, 2, 0)])])
    store.expire(START)
    assert len(store.processes(ALL)) == 2
    store.expire(START + 2 * HOUR)
    assert [known.process for known in store.processes(ALL)] == [running]
    assert totals(store) == [(2, 0)]


def test_sites_of_running_processes_come_first(store: Store) -> None:
    over = process(ended_unix_nano=START + SECOND)
    running = process(ProcessKey("boot", 5, 100, 0))
    store.append([batch(1, processes=[over, running], counters=[(0, SITE.pc, 900, 0), (1, SITE.pc, 2, 0)])])
    assert [total.process.pid for total in store.sites(ALL)] == [5, KEY.pid]


def test_everything_is_there_after_reopening(open_one: OpenStore) -> None:
    first = open_one()
    first.append([batch(3, counters=[(0, SITE.pc, 10, 2)])])
    first.close()
    second = open_one()
    assert totals(second) == [(10, 2)]
    second.append([batch(3, counters=[(0, SITE.pc, 99, 2)])])
    assert (second.acknowledged(STREAM), totals(second)) == (3, [(10, 2)])


def test_a_group_is_stored_as_a_whole_or_not_at_all(store: Store) -> None:
    row = batch(2, counters=[(0, 1, 1, 1)]).site_counters
    broken = replace(batch(2), site_counters={**row, "created": np.array(["many"], object)})
    with pytest.raises(StoreError):
        store.append([batch(1, counters=[(0, SITE.pc, 1, 0)]), broken])
    assert (store.acknowledged(STREAM), totals(store)) == (0, [])
    store.append([batch(1, counters=[(0, SITE.pc, 1, 0)])])
    assert totals(store) == [(1, 0)]


def test_a_site_keeps_its_newest_baseline(store: Store) -> None:
    store.append(
        [batch(1, counters=[(0, SITE.pc, 0, 0)], baseline=41), batch(2, counters=[(0, SITE.pc, 5, 1)], baseline=40)]
    )
    (total,) = store.sites(ALL)
    assert (total.baseline, total.created, total.exited) == (40, 5, 1)
    (known,) = store.processes(ALL)
    assert known.baseline == 40


def test_a_process_is_told_with_what_its_probes_cost_it_last(store: Store) -> None:
    store.append([batch(1, costs=[(0, 10, 1000, 9, 4)]), batch(2, costs=[(0, 20, 2000, 10_000, 5)]), batch(3)])
    (known,) = store.processes(ALL)
    assert (known.target_ppm, known.core_ppm) == (10_000, 5)


def test_a_process_keeps_the_steps_of_its_level(store: Store) -> None:
    step = Step(START, "memory", "budget", 250_000)
    store.append([batch(1), batch(2, processes=[process(level="memory", precise=False, steps=(step,))])])
    (known,) = store.processes(ALL)
    assert (known.process.level, known.process.precise, known.process.steps) == ("memory", False, (step,))
