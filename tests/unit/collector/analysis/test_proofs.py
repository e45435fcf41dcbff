"""A proof opens a finding at once and makes it sure; that nothing is proved is never held against one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore, open_store

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process

#: Seconds that are too short for growth.
EARLY = 8
PATH = ("main.subscribers", "map", "channel")


def leak(store: DuckDBStore, seconds: int, per_second: int = 10, first: int = 1, exits: int = 0) -> None:
    rows = [(0, SITE.pc, per_second * n, exits) for n in range(first, first + seconds)]
    store.append([batch(first + n, counters=[row]) for n, row in enumerate(rows)])


def search(store: DuckDBStore, second: int, proved: int, probable: int = 0, examined: int = 30, **more: Any) -> None:
    proofs = [(0, SITE.pc, 5, examined, proved, probable)] if examined else []
    store.append([batch(second, proofs=proofs, **{"searches": [(0, "")], **more})])


def found(analyst: Analyst) -> list[Finding]:
    analyst.run()
    return analyst.findings(ProcessFilter())


def verdict(finding: Finding, name: str) -> tuple[str, str]:
    (witness,) = [witness for witness in finding.witnesses if witness.name == name]
    return witness.verdict, witness.detail


def held(*paths: Sequence[str]) -> list[tuple[int, int, Sequence[str], int]]:
    return [(0, SITE.pc, path, 30 - number) for number, path in enumerate(paths)]


def test_a_proof_opens_a_finding_before_growth_can_be_judged(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY)
    assert found(analyst) == []
    search(store, EARLY + 1, proved=28)
    (finding,) = found(analyst)
    assert (finding.state, finding.site, finding.live, finding.confidence) == ("opened", SITE, 80, 0.9)
    assert finding.growth_per_second == pytest.approx(10, rel=0.2)
    assert verdict(finding, "proof")[0] == "agrees"
    assert "28 of 30 waiting goroutines are proved to leak" in verdict(finding, "proof")[1]
    assert verdict(finding, "events")[0] == "silent"
    assert "not yet for long enough to be judged" in verdict(finding, "events")[1]


def test_counters_that_rose_unevenly_for_too_short_a_time_say_nothing(store: DuckDBStore) -> None:
    leak(store, EARLY, per_second=0, first=1)
    store.append([batch(EARLY + n, counters=[(0, SITE.pc, 320, 0)]) for n in (1, 2, 3)])
    search(store, EARLY + 4, proved=28)
    (finding,) = found(Analyst(store))
    assert verdict(finding, "events") == (
        "silent",
        "320 created and 0 exited; it was counted for 12 s, too short a time to judge whether the live count rises",
    )


def test_one_or_two_goroutines_that_are_proved_open_nothing(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY)
    search(store, EARLY + 1, proved=2)
    assert found(analyst) == []


def test_what_has_ended_by_the_events_is_not_proved(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY, exits=9)
    search(store, EARLY + 1, proved=28)
    store.append([batch(EARLY + 2, counters=[(0, SITE.pc, 80, 78)])])
    assert found(analyst) == []


def test_a_proof_makes_growth_surer_than_any_count(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 50)
    (before,) = found(analyst)
    search(store, 51, proved=28)
    (after,) = found(analyst)
    assert after.id == before.id
    assert before.confidence < 0.5
    assert after.confidence > 0.9


def test_nothing_proved_changes_no_confidence_and_shows_who_holds_them(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 50)
    (before,) = found(analyst)
    search(store, 51, proved=0, holders=held(PATH, ("stack of main.main",)))
    (after,) = found(analyst)
    assert after.confidence == before.confidence
    assert verdict(after, "proof")[0] == "silent"
    assert (
        "30 are held by main.subscribers → map → channel; 29 are held by stack of main.main"
        in after.witnesses[3].detail
    )
    assert after.proof is not None
    assert [holder.path for holder in after.proof.held_by] == [PATH, ("stack of main.main",)]


def test_a_search_that_decides_nothing_says_why(store: DuckDBStore) -> None:
    leak(store, 50)
    search(store, 51, proved=0, examined=0, searches=[(0, "the heap is too large")])
    (finding,) = found(Analyst(store))
    assert verdict(finding, "proof") == ("silent", "the search decided nothing: the heap is too large")


def test_without_a_search_the_witness_is_silent(store: DuckDBStore) -> None:
    leak(store, 50)
    (finding,) = found(Analyst(store))
    assert verdict(finding, "proof") == ("silent", "the memory of this process was not searched")


def test_what_only_two_scans_say_agrees_and_opens_nothing_by_itself(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY)
    search(store, EARLY + 1, proved=0, probable=30)
    assert found(analyst) == []
    leak(store, 50, first=EARLY + 2)
    (finding,) = found(analyst)
    assert verdict(finding, "proof")[0] == "agrees"
    assert 0.5 >= finding.confidence > 0.35


def test_a_proved_leak_that_rises_no_longer_is_stable_and_as_sure(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY)
    search(store, EARLY + 1, proved=28)
    found(analyst)
    store.append([batch(second) for second in range(EARLY + 2, EARLY + 120)])
    (finding,) = found(analyst)
    assert (finding.state, finding.confidence, finding.pattern) == ("stable", 0.9, "plateau")
    assert finding.growth_per_second == 0
    assert finding.grew_unix_nano == START + (EARLY + 1) * SECOND


def test_a_leak_that_lived_when_counting_began_is_found_by_its_proof(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    late = process(counted_from_start=False)
    store.append([batch(1, counters=[(0, SITE.pc, 0, 0)], baseline=40, processes=[late])])
    search(store, 2, proved=40, examined=40, processes=[late])
    (finding,) = found(analyst)
    assert (finding.live, finding.base, finding.state) == (40, 0, "opened")


def test_a_finding_is_over_when_its_process_has_ended(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY)
    search(store, EARLY + 1, proved=28)
    found(analyst)
    store.append([batch(EARLY + 2, processes=[process(ended_unix_nano=START + 10 * SECOND)])])
    (finding,) = found(analyst)
    assert (finding.state, finding.live, finding.ended) == ("resolved", 0, True)


def test_a_later_search_that_proves_less_leaves_the_finding_less_sure(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY)
    search(store, EARLY + 1, proved=28)
    found(analyst)
    search(store, EARLY + 60, proved=0)
    (finding,) = found(analyst)
    assert (finding.state, verdict(finding, "proof")[0]) == ("stable", "silent")
    assert finding.confidence < 0.9


def test_what_was_proved_outlives_the_collector(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    leak(store, EARLY)
    search(store, EARLY + 1, proved=28, holders=held(PATH))
    (before,) = found(Analyst(store))
    store.close()
    store = open_store(tmp_path)
    analyst = Analyst(store)
    assert analyst.findings(ProcessFilter()) == [before]
    (after,) = found(analyst)
    assert (after.proof, after.confidence) == (before.proof, before.confidence)
    store.close()


def test_a_proof_whose_cause_is_not_known_asks_for_a_snapshot_at_once(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, EARLY)
    search(store, EARLY + 1, proved=28)
    found(analyst)
    assert analyst.beginning(lambda _: True) == [("web-1", KEY)]
    assert analyst.beginning(lambda _: False) == []
