"""Searches begin with what rises, take turns, keep within the budget, and rest the longer the less they prove."""

from dataclasses import replace

import pytest
from gosonde_agent.host.own_budget import SEARCHING_SECONDS, OwnBudget
from gosonde_agent.sources.memory.target import KnownBinaries
from gosonde_agent.watch.search import Search
from gosonde_agent.watch.searches import (
    JUST_NOW,
    LEAST_REST,
    MAX_TOGETHER,
    OLD_SECONDS,
    SEARCHES_UNDECIDED,
    Searches,
)
from gosonde_common.errors import NotFoundError, OverloadedError
from gosonde_common.values.observation import Observation, Process, ProofCount, SiteCount

from tests.unit.agent.observations import observed, process, site

PC = 7
BUDGET = OwnBudget(0.02, 4 << 30)


class Planner:
    """Searches under a clock that stands still until it is moved; `created` goroutines of one site in each process."""

    def __init__(self, *processes: Process) -> None:
        self.now = 1_000.0
        self.processes = processes or (process(1),)
        self.searches = Searches(lambda: BUDGET, KnownBinaries, lambda: self.now)

    def observe(self, *created: int, baseline: int = 0) -> Observation:
        rows = [
            SiteCount(one.key, site(one, PC), count, 0, baseline)
            for one, count in zip(self.processes, created, strict=True)
        ]
        return self.searches.note(observed(*self.processes, site_counts=tuple(rows)))

    def scanned(self, search: Search, cost: float = 0.02, proved: int | None = None, undecided: str = "") -> bool:
        """A scan has run; with `proved` or `undecided` it was the last one."""
        search.has_ended, search.due, search.scans = True, self.now + 1.25, search.scans + 1
        search.cpu_seconds += cost
        if proved is not None or undecided:
            search.is_over, search.undecided, search.ended_unix_nano = True, undecided, 5
            search.found = {} if undecided else {PC: ProofCount(search.key, PC, 5, 5, 30, proved or 0, 0)}
        return self.searches.take(search, cost)

    def begun(self) -> Search:
        search = self.searches.next()
        assert search is not None
        search.has_ended = False
        return search


def test_nothing_is_searched_without_a_suspicion() -> None:
    planner = Planner()
    planner.observe(3)
    assert planner.searches.next() is None


def test_what_is_proved_is_reported_with_the_next_observation_and_later_ones() -> None:
    planner = Planner()
    assert planner.observe(20).proofs == ()
    search = planner.begun()
    assert search.rising == {PC}
    assert not planner.scanned(search)
    planner.now += 1.25
    assert planner.begun() is search
    assert planner.scanned(search, proved=20)
    for created in (25, 26):
        seen = planner.observe(created)
        assert [(row.process, row.pc, row.proved) for row in seen.proofs] == [(search.key, PC, 20)]
        assert [row.undecided for row in seen.searches] == [""]


def test_the_fastest_rise_is_searched_first_and_others_while_it_waits_for_its_next_scan() -> None:
    planner = Planner(*(process(pid) for pid in range(1, 4)))
    planner.observe(10, 40, 0)
    first = planner.begun()
    planner.scanned(first)
    second = planner.begun()
    planner.scanned(second)
    assert (first.key.pid, second.key.pid) == (2, 1)
    assert planner.searches.next() is None
    assert 0 < planner.searches.due_in() <= 1.25
    planner.now += 1.25
    assert planner.begun() is first


def test_only_so_many_processes_are_searched_together() -> None:
    planner = Planner(*(process(pid) for pid in range(1, MAX_TOGETHER + 3)))
    planner.observe(*[20] * len(planner.processes))
    for _ in range(MAX_TOGETHER):
        planner.scanned(planner.begun())
    assert planner.searches.next() is None


def test_something_is_kept_for_leaks_that_begin() -> None:
    planner = Planner(process(1), process(2))
    planner.observe(20, 0)
    most = BUDGET.searching * SEARCHING_SECONDS
    planner.scanned(planner.begun(), cost=0.8 * most, proved=20)
    planner.now += 60.0
    planner.observe(60, 0)
    assert planner.searches.next() is None
    planner.observe(60, 20)
    assert planner.begun().key.pid == 2


def test_what_a_search_took_is_paid_off_before_another_begins() -> None:
    planner = Planner(process(1), process(2))
    planner.observe(20, 20)
    planner.scanned(planner.begun(), cost=10.0, proved=20)
    assert planner.searches.next() is None
    planner.now += 10.0 / BUDGET.searching
    assert planner.begun().key.pid == 2


def test_a_search_that_proves_nothing_makes_the_process_rest_longer_each_time() -> None:
    planner, created, rests = Planner(), 20, []
    for _ in range(4):
        planner.observe(created)
        began = planner.now
        while (search := planner.searches.next()) is None:
            planner.now += 1.0
        rests.append(planner.now - began)
        planner.scanned(search, proved=0)
        created *= 2
    assert rests[0] == 0
    assert rests[1] >= 2 * LEAST_REST
    assert rests[3] >= 2 * rests[2] >= 4 * rests[1]


def test_goroutines_that_were_there_before_are_searched_once_when_there_is_time() -> None:
    planner = Planner()
    planner.observe(0, baseline=40)
    assert planner.searches.next() is None
    planner.now += OLD_SECONDS
    search = planner.begun()
    assert search.rising == frozenset()
    planner.scanned(search, proved=0)
    planner.now += 100_000.0
    assert planner.searches.next() is None


def test_a_search_that_decides_nothing_is_counted_and_leaves_what_was_proved() -> None:
    planner = Planner()
    planner.observe(20)
    planner.scanned(planner.begun(), proved=20)
    planner.now += 100.0
    planner.observe(60)
    assert not planner.scanned(planner.begun(), undecided="the heap is too large")
    seen = planner.observe(61)
    assert seen.losses[SEARCHES_UNDECIDED] == 1
    assert [row.proved for row in seen.proofs] == [20]
    assert [row.undecided for row in seen.searches] == ["the heap is too large"]


def test_a_site_of_which_nothing_waits_any_more_has_nothing_proved() -> None:
    planner = Planner()
    planner.observe(20)
    planner.scanned(planner.begun(), proved=20)
    planner.now += 100.0
    planner.observe(60)
    search = planner.begun()
    planner.scanned(search)
    search.is_over = True
    planner.searches.take(search, 0.0)
    assert [(row.examined, row.proved) for row in planner.observe(61).proofs] == [(0, 0)]


def test_a_process_that_ends_during_its_search_is_forgotten() -> None:
    planner = Planner()
    planner.observe(20)
    search = planner.begun()
    planner.processes = (replace(planner.processes[0], ended_unix_nano=9),)
    planner.observe(20)
    assert not planner.scanned(search, proved=20)
    assert planner.observe(20).proofs == ()
    assert planner.searches.next() is None


def test_a_process_that_somebody_asks_for_is_searched_before_those_that_are_suspected() -> None:
    planner = Planner(process(1), process(2), process(3))
    planner.observe(40, 1, 1)
    asked = []
    for place in (2, 1, 2):
        planner.now += 1.0
        asked.append(planner.searches.ask(planner.processes[place].key))
    begun = [planner.begun() for _ in range(3)]
    assert [search.key.pid for search in begun] == [3, 2, 1]
    assert begun[0].rising == {PC}
    assert planner.searches.next() is None
    assert planner.searches.answer(begun[0].key, asked[0]) is None
    planner.scanned(begun[0], proved=1)
    outcome = planner.searches.answer(begun[0].key, asked[0])
    assert outcome is not None
    assert (outcome.examined, outcome.proved, outcome.probable, outcome.held) == (30, 1, 0, 29)
    assert planner.searches.answer(begun[1].key, asked[1]) is None


def test_who_asks_while_a_search_is_under_way_gets_what_it_finds() -> None:
    planner = Planner()
    planner.observe(20)
    search = planner.begun()
    asked = planner.searches.ask(search.key)
    planner.scanned(search, proved=20)
    outcome = planner.searches.answer(search.key, asked)
    assert outcome is not None
    assert outcome.proved == 20
    assert planner.searches.next() is None


def test_who_asks_moments_after_a_search_gets_what_that_found_and_later_a_new_one() -> None:
    planner = Planner()
    planner.observe(20)
    search = planner.begun()
    planner.scanned(search, undecided="the heap is too large")
    planner.now += JUST_NOW
    outcome = planner.searches.answer(search.key, planner.searches.ask(search.key))
    assert outcome is not None
    assert outcome.undecided == "the heap is too large"
    assert planner.searches.next() is None
    planner.now += 1.0
    assert planner.searches.answer(search.key, planner.searches.ask(search.key)) is None
    assert planner.begun().key == search.key


def test_what_somebody_asks_for_stays_within_what_searches_may_take() -> None:
    planner = Planner(process(1), process(2))
    planner.observe(20, 1)
    planner.scanned(planner.begun(), cost=20.0)
    with pytest.raises(OverloadedError, match=r"used up their part of max_agent_cpu; try again in \d+ s"):
        planner.searches.ask(planner.processes[1].key)
    planner.searches.ask(planner.processes[0].key)
    planner.now += 20.0 / BUDGET.searching
    planner.searches.ask(planner.processes[1].key)
    assert [planner.begun().key.pid for _ in range(2)] == [1, 2]


def test_only_a_process_that_is_counted_can_be_asked_for() -> None:
    refused, ended = replace(process(2), refusal="why not"), replace(process(3), ended_unix_nano=9)
    planner = Planner(process(1), refused, ended)
    planner.observe(1, 1, 1)
    for one in (refused, ended, process(4)):
        with pytest.raises(NotFoundError, match="is not counted"):
            planner.searches.ask(one.key)
    asked = planner.searches.ask(process(1).key)
    planner.processes = (replace(process(1), ended_unix_nano=9),)
    planner.observe(1)
    with pytest.raises(NotFoundError, match="has ended"):
        planner.searches.answer(process(1).key, asked)
    assert planner.searches.next() is None


def test_that_somebody_asks_again_and_again_does_not_put_off_what_is_suspected_later() -> None:
    planner = Planner()
    planner.observe(1)
    for _ in range(6):
        planner.searches.ask(planner.processes[0].key)
        planner.scanned(planner.begun(), proved=0)
        planner.now += JUST_NOW + 1.0
    planner.observe(40)
    assert planner.begun().rising == {PC}
