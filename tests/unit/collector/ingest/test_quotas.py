"""What is beyond a quota is counted and summed, and everything within it stays as it was sent."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from gosonde_collector.ingest.quotas import MAX_NAMES, QuotaKeeper
from gosonde_collector.model.values import Batch, ProcessFilter, ProcessKey, Site
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.running import Quotas, RunningTotals
from gosonde_collector.telemetry.site_rows import site_rows
from gosonde_collector.telemetry.totals import OTHERS_PC
from gosonde_common.goroutine_metrics import MAX_SITES

from tests.unit.collector.batches import STREAM, batch, process

SMALL = Quotas(process_sites=3, host_sites=5, sites=100, host_summed=4, summed=100, host_processes=2, processes=100)


class Kept:
    """A quota keeper in front of a store."""

    def __init__(self, store: DuckDBStore, quotas: Quotas = SMALL) -> None:
        self.store = store
        self.telemetry = Telemetry()
        self.telemetry.running = RunningTotals(quotas)
        self.keeper = QuotaKeeper(self.telemetry.running, self.telemetry)
        self._sequence = 0

    def send(self, counters: Iterable[tuple[int, int, int]], **changes: object) -> Batch:
        """(pc, created, exited) of the first process, named."""
        self._sequence += 1
        rows = [(0, *counter) for counter in counters]
        sites = tuple(Site("build", pc, f"main.f{pc}") for _, pc, *_ in rows)
        sent = replace(batch(self._sequence, counters=rows), sites=sites, **changes)  # type: ignore[arg-type]
        limited = self.keeper.limited(sent)
        self.store.append([limited])
        return limited

    def stored(self) -> dict[int, tuple[int, int]]:
        return {t.site.pc: (t.created, t.exited) for t in self.store.sites(ProcessFilter())}

    def beyond(self, what: str) -> float:
        name = "gosonde_collector_beyond_quota_total"
        return self.telemetry.registry.get_sample_value(name, {"what": what}) or 0.0


@pytest.fixture
def kept(store: DuckDBStore) -> Kept:
    return Kept(store)


def test_sites_beyond_the_quota_of_a_process_are_one_row_and_totals_hold(kept: Kept) -> None:
    kept.send((pc, 10 * pc, pc) for pc in range(1, 6))
    assert kept.stored() == {1: (10, 1), 2: (20, 2), 3: (30, 3), OTHERS_PC: (90, 9)}
    assert kept.beyond("sites_summed") == 2
    kept.send([(2, 21, 2), (5, 60, 5)])
    kept.send([(1, 11, 2), (6, 7, 7)])
    assert kept.stored() == {1: (11, 2), 2: (21, 2), 3: (30, 3), OTHERS_PC: (107, 16)}


def test_the_row_of_the_others_has_a_name_and_their_own_names_are_not_kept(kept: Kept) -> None:
    kept.send((pc, 1, 0) for pc in range(1, 100))
    named = kept.store.site_names("build", [1, 50, OTHERS_PC])
    assert [site.function for site in named] == ["main.f1", "", "(others)"]


def test_proofs_are_kept_of_sites_that_are_kept_so_many_rows_of_each(kept: Kept) -> None:
    pcs = [1, 2, 2, 9]
    proofs = [(0, pc, 5, 30, place, 0) for place, pc in enumerate(pcs)]
    holders = [(0, 1, ("main.cache",), number) for number in range(8)]
    found = batch(1, proofs=proofs, holders=holders, searches=[(0, "first"), (0, "second")])
    sent = kept.send(
        [(pc, 1, 0) for pc in range(1, 3)], proofs=found.proofs, holders=found.holders, searches=found.searches
    )
    assert (sent.proofs["pc"].tolist(), sent.proofs["proved"].tolist()) == ([1, 2], [0, 1])
    assert sent.holders["goroutines"].tolist() == [0, 1, 2, 3, 4]
    assert sent.searches["undecided"].tolist() == ["first"]
    assert kept.beyond("proofs") == 2 + 3 + 1


def test_estimates_are_kept_once_of_each_site_that_has_a_row_of_its_own(kept: Kept) -> None:
    bounds = 30, 50, 40, 30, 50
    estimates = batch(1, estimates=[(0, pc, 40 + place, *bounds) for place, pc in enumerate((9, 2, 2, 5, 1))])
    sent = kept.send([(pc, 1, 0) for pc in range(1, 6)], site_estimates=estimates.site_estimates)
    assert (sent.site_estimates["pc"].tolist(), sent.site_estimates["created"].tolist()) == ([2, 1], [41, 44])
    assert kept.beyond("estimates") == 3
    with kept.telemetry.running.reading() as (running, live):
        rows, _ = site_rows(running, live, kept.store.site_names)
    assert {row.function: row.estimated and row.estimated.created for row in rows} == {
        "main.f1": 44,
        "main.f2": 41,
        "main.f3": None,
        "(others)": None,
    }


def test_an_estimate_stays_with_its_site_when_others_come_and_may_fall(kept: Kept) -> None:
    def send(pcs: Iterable[int], estimated: int) -> list[tuple[str, int | None]]:
        estimates = batch(1, estimates=[(0, 5, estimated, 0, 99, 0, 0, 0)]).site_estimates
        kept.send([(pc, 10 * pc, 0) for pc in pcs], site_estimates=estimates)
        with kept.telemetry.running.reading() as (running, live):
            rows, _ = site_rows(running, live, kept.store.site_names)
        return [(row.function, row.estimated.created if row.estimated else None) for row in rows]

    assert send([5], 40) == [("main.f5", 40)]
    assert send([2, 7], 30) == [("main.f7", None), ("main.f5", 30), ("main.f2", None)]


def test_names_without_totals_are_not_kept(kept: Kept) -> None:
    names = tuple(Site("build", pc, "f") for pc in range(1000))
    assert kept.keeper.limited(replace(batch(1), sites=names)).sites == ()


def test_what_no_sum_has_room_for_is_left_out_and_counted(kept: Kept) -> None:
    kept.send((pc, 1, 0) for pc in range(1, 11))
    assert kept.stored() == {1: (1, 0), 2: (1, 0), 3: (1, 0), OTHERS_PC: (4, 0)}
    assert (kept.beyond("sites_summed"), kept.beyond("sites_left_out")) == (4, 3)


def test_processes_of_a_host_share_its_quota_and_room_comes_back_when_one_ends(kept: Kept) -> None:
    one, two = process(ProcessKey("boot", 1, 1, 0)), process(ProcessKey("boot", 2, 2, 0))
    kept.send([(pc, 1, 0) for pc in (1, 2, 3)], processes=(one,))
    kept.send([(pc, 1, 0) for pc in (1, 2, 3)], processes=(two,))
    assert kept.beyond("sites_summed") == 1
    kept.send([], processes=(replace(one, ended_unix_nano=5),))
    kept.send([(4, 1, 0)], processes=(two,))
    assert kept.beyond("sites_summed") == 1


def test_processes_beyond_the_quota_are_left_out_with_their_rows(kept: Kept) -> None:
    keys = [ProcessKey("boot", pid, pid, 0) for pid in (1, 2, 3)]
    first = kept.keeper.limited(replace(batch(1), processes=tuple(map(process, keys[:2]))))
    assert len(first.processes) == 2
    rows = [(0, 1, 5, 0), (1, 1, 6, 0), (2, 1, 7, 0)]
    limited = kept.keeper.limited(
        replace(batch(2, counters=rows), processes=tuple(map(process, (keys[2], keys[0], keys[1]))))
    )
    assert [described.key for described in limited.processes] == keys[:2]
    assert limited.site_counters["process"].tolist() == [0, 1]
    assert limited.site_counters["created"].tolist() == [6, 7]
    assert kept.beyond("processes") == 1


def test_a_newer_run_of_an_agent_counts_from_zero(kept: Kept) -> None:
    kept.send([(1, 100, 0)])
    kept.send([(1, 7, 0)], stream=replace(STREAM, agent_epoch="epoch-2", agent_run=2))
    with kept.telemetry.running.reading() as (running, _):
        assert [totals.live for totals in running] == [7]


def test_what_a_former_run_left_behind_is_not_running(kept: Kept) -> None:
    kept.send([(1, 7, 0)], stream=replace(STREAM, agent_epoch="epoch-2", agent_run=2))
    kept.send([(1, 100, 0)])
    with kept.telemetry.running.reading() as (running, _):
        assert [totals.live for totals in running] == [7]


def test_after_a_restart_the_same_sites_have_rows_of_their_own(kept: Kept) -> None:
    kept.send([(pc, 1, 0) for pc in (7, 8, 9)])
    again = Kept(kept.store)
    again.telemetry.running.seed(kept.store.running(), kept.store.base_counters(-1))
    rows = [(0, pc, 2, 0) for pc in (1, 2, 7, 8, 9)]
    limited = again.keeper.limited(batch(9, counters=rows))
    assert limited.site_counters["pc"].tolist() == [7, 8, 9, OTHERS_PC]
    with again.telemetry.running.reading() as (running, _):
        assert [totals.live for totals in running] == [10]


def test_processes_that_the_store_does_not_know_as_running_are_let_go(kept: Kept) -> None:
    kept.send([(1, 1, 0)])
    kept.telemetry.running.begin_round()
    kept.telemetry.running.keep(kept.store.running().keys())
    assert kept.telemetry.running.is_running("web-1", 4711)
    kept.telemetry.running.keep(())
    assert not kept.telemetry.running.is_running("web-1", 4711)


def test_metrics_name_the_largest_sites_and_sum_the_rest(store: DuckDBStore) -> None:
    kept = Kept(store, Quotas(process_sites=50))
    kept.send((pc, 100 + pc, 0) for pc in range(1, 101))
    with kept.telemetry.running.reading() as (running, live):
        rows, elsewhere = site_rows(running, live, store.site_names)
    assert [row.function for row in rows] == [f"main.f{pc}" for pc in range(50, 40, -1)] + ["(others)"]
    assert sum(row.live for row in rows) == sum(100 + pc for pc in range(1, 101))
    assert elsewhere == {}


def test_metrics_sum_processes_for_which_there_is_no_room(store: DuckDBStore) -> None:
    kept = Kept(store)
    kept.telemetry.running = RunningTotals()
    kept.keeper = QuotaKeeper(kept.telemetry.running, kept.telemetry)
    keys = [ProcessKey("boot", pid, pid, 0) for pid in range(1, MAX_SITES + 101)]
    counters = [(place, 1, 5, 0) for place in range(len(keys))]
    kept.keeper.limited(replace(batch(1, counters=counters), processes=tuple(map(process, keys))))
    ended = replace(process(keys[0]), ended_unix_nano=5)
    kept.keeper.limited(replace(batch(2), processes=(ended,)))
    with kept.telemetry.running.reading() as (running, live):
        rows, elsewhere = site_rows(running, live, store.site_names)
    assert len(rows) == MAX_SITES
    assert elsewhere == {"web-1": 99 * 5}


def test_sums_may_be_larger_than_any_number_of_the_store(kept: Kept) -> None:
    most = (1 << 62) - 1
    kept.send((pc, most, 0) for pc in range(1, 8))
    assert kept.stored()[OTHERS_PC] == (most, 0)
    with kept.telemetry.running.reading() as (running, _):
        assert [totals.live for totals in running] == [7 * most]


def test_an_agent_has_only_so_many_names_of_losses(kept: Kept) -> None:
    for start in (0, MAX_NAMES // 2, MAX_NAMES):
        names = {f"n{number}": 1 for number in range(start, start + MAX_NAMES // 2)}
        kept.keeper.limited(replace(batch(1), losses=names))
    limited = kept.keeper.limited(replace(batch(1), losses={"n0": 5, "new": 1}))
    assert limited.losses == {"n0": 5}
    assert kept.beyond("losses") == MAX_NAMES // 2 + 1
