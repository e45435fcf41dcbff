"""A finding of a process that nothing counts rests on readings of memory alone, and says so."""

from collections.abc import Sequence

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding, judge
from gosonde_collector.analysis.growth import find_growth
from gosonde_collector.analysis.witnesses import AGREES, ASK_DOCTOR, DISAGREES, NOT_COUNTED, SILENT, Witness
from gosonde_collector.model.values import Process, ProcessFilter, Step
from gosonde_collector.store.duckdb import DuckDBStore

from tests.unit.collector.batches import SITE, START, batch, process
from tests.unit.collector.series import steps

UNPROBED = process(level="memory", precise=False, steps=(Step(START, "memory", "no_probes", 0),))
BY_BUDGET = process(level="memory", precise=False, steps=(Step(START, "memory", "budget", 90_000),))


def finding_of(store: DuckDBStore, described: Process, because: str = "") -> Finding:
    """Of a site that leaks 20 goroutines a second."""
    counts = [(n + 1, 20 * (n + 1)) for n in range(50)]
    store.append([batch(n, counters=[(0, SITE.pc, live, 0)], processes=[described]) for n, live in counts])
    analyst = Analyst(store)
    analyst.no_probes.learn("web-1", because)
    analyst.run()
    (found,) = analyst.findings(ProcessFilter())
    return found


def test_its_events_are_silent_and_say_that_nothing_is_counted_and_what_memory_shows(store: DuckDBStore) -> None:
    (events,) = [one for one in finding_of(store, UNPROBED).witnesses if one.name == "events"]
    assert events.verdict == SILENT
    assert events.detail.startswith(f"{NOT_COUNTED} ({ASK_DOCTOR}); readings of memory show: in the last ")
    assert "too early to know whether they stay" in events.detail


def test_its_events_say_why_there_are_no_probes_once_the_agent_has_said_it(store: DuckDBStore) -> None:
    found = finding_of(store, UNPROBED, "the agent may not use BPF")
    (events,) = [one for one in found.witnesses if one.name == "events"]
    assert events.detail.startswith(f"{NOT_COUNTED} (the agent may not use BPF); readings of memory show: ")


def test_where_the_budget_forbids_probes_the_events_speak_as_ever(store: DuckDBStore) -> None:
    (events,) = [one for one in finding_of(store, BY_BUDGET).witnesses if one.name == "events"]
    assert events.verdict == AGREES
    assert "created" in events.detail


@pytest.mark.parametrize(
    ("witnesses", "further"),
    [
        ([("events", SILENT), ("memory", AGREES)], []),
        ([("events", AGREES), ("memory", AGREES)], ["memory"]),
        ([("events", SILENT), ("memory", AGREES), ("pprof", AGREES)], ["pprof"]),
    ],
)
def test_memory_is_no_second_witness_of_a_growth_that_memory_shows(
    witnesses: Sequence[tuple[str, str]], further: Sequence[str]
) -> None:
    growth = find_growth(steps([20 * n for n in range(1, 1_000)]))
    assert growth is not None
    assert growth.stays
    doubt = 1 - judge(growth, ())
    expected = 1 - doubt * 0.5 ** len(further)
    assert judge(growth, said(witnesses)) == pytest.approx(expected, abs=0.01)


def test_a_snapshot_that_contradicts_what_was_read_makes_a_finding_less_sure() -> None:
    growth = find_growth(steps([20 * n for n in range(1, 1_000)]))
    contradicted = judge(growth, said([("events", SILENT), ("memory", DISAGREES)]))
    assert contradicted < judge(growth, said([("events", SILENT)]))


def said(witnesses: Sequence[tuple[str, str]]) -> tuple[Witness, ...]:
    return tuple(Witness(name, verdict, "") for name, verdict in witnesses)
