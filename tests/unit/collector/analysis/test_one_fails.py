"""A site that cannot be judged, a process that cannot be followed and a finding that cannot be read cost themselves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from gosonde_collector.analysis import analyst as judging
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.growth import find_growth
from gosonde_collector.analysis.history import History
from gosonde_collector.analysis.steps import Steps
from gosonde_collector.model.errors import StoreError
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.store.records import FindingRecord

from tests.unit.collector.batches import KEY, SITE, batch, process

OTHER = replace(SITE, pc=0x2000, line=43)
TWO = (process(), process(replace(KEY, pid=4712)))


def leak(store: DuckDBStore, first: int, seconds: int) -> None:
    """Two sites of two processes each leak: 20 a second, and the second site 30."""
    rates = [(at, site, each) for at in (0, 1) for site, each in ((SITE, 20), (OTHER, 30))]
    counters = {n: [(at, site.pc, n * each, 0) for at, site, each in rates] for n in range(first, first + seconds)}
    store.append([batch(n, counters=rows, sites=(SITE, OTHER), processes=TWO) for n, rows in counters.items()])


def found(analyst: Analyst) -> set[tuple[int, int, str]]:
    analyst.run()
    return {(one.process.pid, one.site.pc, one.state) for one in analyst.findings(ProcessFilter())}


def failing_for(created: int) -> Callable[[Steps], Any]:
    """Fails for the sites that have had so many goroutines."""

    def judge(steps: Steps) -> Any:
        if steps.created[-1] == created:
            raise ZeroDivisionError
        return find_growth(steps)

    return judge


def test_a_site_that_cannot_be_judged_costs_itself_alone(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    leak(store, 1, 50)
    monkeypatch.setattr(judging, "find_growth", failing_for(50 * 20))
    analyst = Analyst(store)
    assert found(analyst) == {(4711, 0x2000, "opened"), (4712, 0x2000, "opened")}
    assert analyst.failures == 2


def test_a_finding_whose_site_cannot_be_judged_stays_as_it_was(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak(store, 1, 50)
    analyst = Analyst(store)
    assert {state for _, _, state in found(analyst)} == {"opened"}
    leak(store, 51, 120)
    monkeypatch.setattr(judging, "find_growth", failing_for(170 * 20))
    assert {(pc, state) for _, pc, state in found(analyst)} == {(SITE.pc, "opened"), (0x2000, "growing")}
    monkeypatch.undo()
    leak(store, 171, 1)
    assert {state for _, _, state in found(analyst)} == {"growing"}


def test_a_process_that_cannot_be_followed_or_screened_costs_itself_alone(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst, screen, asked = Analyst(store), History.suspects, list[History]()

    def fails_once(self: History, until_unix_nano: int) -> Any:
        asked.append(self)
        if self is asked[0]:
            raise IndexError
        return screen(self, until_unix_nano)

    leak(store, 1, 50)
    monkeypatch.setattr(History, "suspects", fails_once)
    assert len({pid for pid, _, _ in found(analyst)}) == 1
    assert analyst.failures == 1


def test_a_stored_finding_that_cannot_be_read_costs_itself_alone(store: DuckDBStore) -> None:
    leak(store, 1, 50)
    before = Analyst(store)
    assert len(found(before)) == 4
    store.save_findings([FindingRecord("0" * 16, 1, '{"process": 3}')])
    after = Analyst(store)
    assert len(after.findings(ProcessFilter())) == 4
    assert after.failures == 1


def test_a_store_that_fails_ends_the_round(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise StoreError("the disk fails")

    leak(store, 1, 50)
    analyst = Analyst(store)
    monkeypatch.setattr(store, "site_names", fails)
    with pytest.raises(StoreError):
        analyst.run()
