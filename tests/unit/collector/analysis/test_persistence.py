"""Goroutines that leak are there again in the next snapshot; those of a population that grows by churn are not."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.explanation import Contention, explain
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.persistence import Persistence, served
from gosonde_collector.evidence.context import (
    ContentionProfile,
    ContentionSample,
    HeapProfile,
    HeapSample,
)
from gosonde_collector.evidence.model import (
    BLOCK,
    MEMORY,
    TRACE,
    Frame,
    GoroutineGroup,
    GoroutineProfile,
)
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process
from tests.unit.collector.series import series_of, steps

HERE = Frame(SITE.function, SITE.file, SITE.line)
STACK = (Frame("runtime.gopark", "proc.go", 1), Frame(SITE.start_function, "main.go", 50))


def snapshot(store: DuckDBStore, at_s: int, goids: Iterable[int], kind: str = MEMORY) -> None:
    """Goroutines of SITE, half of them runnable."""
    known = tuple(goids)
    half = len(known) // 2
    groups = tuple(
        GoroutineGroup(len(part), STACK, HERE, state, 3, part, 2_048 * len(part))
        for state, part in (("runnable", known[:half]), ("chan receive", known[half:]))
    )
    store.add_snapshot("web-1", KEY, START + at_s * SECOND, GoroutineProfile(kind, groups))


def found(store: DuckDBStore) -> tuple[Finding, Analyst]:
    """The finding of a population that grows by 8 a second for 50 seconds."""
    store.append([batch(n, counters=[(0, SITE.pc, 8 * n, 0)]) for n in range(1, 51)])
    analyst = Analyst(store)
    analyst.run()
    (finding,) = analyst.findings(ProcessFilter())
    return finding, analyst


@pytest.mark.parametrize(("kind", "name"), [(MEMORY, "memory"), ("debug=2", "pprof")])
def test_goroutines_that_stay_agree(store: DuckDBStore, kind: str, name: str) -> None:
    snapshot(store, 30, range(1, 241), kind)
    snapshot(store, 50, range(1, 401), kind)
    finding, _ = found(store)
    (witness,) = [w for w in finding.witnesses if w.name == name]
    assert witness.verdict == "agrees"
    assert "of 240 goroutines 20 s earlier, 240 are still there" in witness.detail
    assert finding.persistence
    assert (finding.persistence.witness, finding.persistence.later) == (name, 400)


def test_goroutines_that_are_others_each_time_contradict(store: DuckDBStore) -> None:
    snapshot(store, 30, range(1, 241))
    snapshot(store, 50, range(201, 601))
    finding, _ = found(store)
    (witness,) = [w for w in finding.witnesses if w.name == "memory"]
    assert witness.verdict == "disagrees"
    assert "40 are still there: they come and go" in witness.detail


def test_snapshots_that_follow_each_other_at_once_say_nothing(store: DuckDBStore) -> None:
    snapshot(store, 48, range(1, 385))
    snapshot(store, 50, range(601, 1_001))
    finding, _ = found(store)
    assert finding.persistence is None


def test_an_explanation_tells_states_waits_stacks_heap_and_contention(store: DuckDBStore) -> None:
    snapshot(store, 50, range(1, 401))
    samples = (HeapSample(STACK, 9, 9_000, 5, 5_000), HeapSample(STACK[:1], 1, 100, 1, 100))
    store.add_snapshot("web-1", KEY, START + 50 * SECOND, HeapProfile(samples))
    waits = (ContentionSample(STACK, 3, 7_000), ContentionSample(STACK[:1], 1, 100))
    store.add_snapshot("web-1", KEY, START + 40 * SECOND, ContentionProfile(BLOCK, waits))
    finding, analyst = found(store)
    reported = explain(store, analyst, finding.id)
    assert reported.contentions == (Contention(BLOCK, START + 40 * SECOND, waits=3, delay_ns=7_000),)
    assert dict(reported.shares) == {"waiting": 0.5, "runnable": 0.5, "running": 0.0, "syscall": 0.0}
    assert (reported.stack_bytes, reported.heap_bytes, finding.oldest_wait_s) == (400 * 2_048, 5_000, 3)


def test_an_explanation_tells_why_they_waited_where_a_trace_says_it(store: DuckDBStore) -> None:
    waits = [(("sleep", STACK), 1, 10), (("chan receive", STACK), 4, 500), (("chan receive", STACK[-1:]), 2, 50)]
    waits.append((("select", (Frame("main.other", "main.go", 1),)), 9, 9_000))
    samples = tuple(
        ContentionSample((Frame(f"[{reason}]", "", 0), *stack), number, ns) for (reason, stack), number, ns in waits
    )
    snapshot(store, 50, range(1, 401))
    store.add_snapshot("web-1", KEY, START + 40 * SECOND, ContentionProfile(TRACE, samples))
    finding, analyst = found(store)
    taken = START + 40 * SECOND
    assert explain(store, analyst, finding.id).contentions == (
        Contention(TRACE, taken, waits=6, delay_ns=550, reason="chan receive"),
        Contention(TRACE, taken, waits=1, delay_ns=10, reason="sleep"),
    )


def test_whose_turn_comes_is_told_from_who_is_gone() -> None:
    grown = steps([20 * second for second in range(1, 61)], [10 * second for second in range(1, 61)])
    series = series_of(grown, process())
    kept = Persistence("memory", START + 40 * SECOND, START + 60 * SECOND, earlier=400, persisted=200, later=600)
    assert served(series, kept) is True
    assert served(series, replace(kept, persisted=395)) is False
    assert served(series, replace(kept, later_unix_nano=kept.earlier_unix_nano)) is None
    assert served(series, None) is None


def test_a_level_at_which_others_take_the_place_of_those_that_it_rose_by_is_no_leak(store: DuckDBStore) -> None:
    _, analyst = found(store)
    store.append([batch(n, counters=[(0, SITE.pc, 8 * n, 8 * (n - 50))]) for n in range(51, 171)])
    snapshot(store, 60, range(81, 481))
    snapshot(store, 165, range(921, 1_321))
    analyst.run()
    (finding,) = analyst.findings(ProcessFilter())
    assert (finding.state, finding.pattern) == ("resolved", "turnover")


def test_a_level_at_which_the_same_goroutines_stay_is_stable(store: DuckDBStore) -> None:
    _, analyst = found(store)
    store.append([batch(n, counters=[(0, SITE.pc, 400, 0)]) for n in range(51, 171)])
    snapshot(store, 60, range(1, 401))
    snapshot(store, 165, range(1, 401))
    analyst.run()
    (finding,) = analyst.findings(ProcessFilter())
    assert (finding.state, finding.pattern) == ("stable", "plateau")
