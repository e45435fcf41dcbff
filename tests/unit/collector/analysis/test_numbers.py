"""Each witness has the number that it shows beside what the counters showed at the same moment."""

import json
from collections.abc import Sequence
from dataclasses import replace

from gosonde_collector.analysis import gctraces
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.numbers import HEAP_BYTES, LEAKED, LIVE, STACK_BYTES, Numbers
from gosonde_collector.analysis.slope import Slope
from gosonde_collector.evidence.gctrace import MB, GcTraceLine
from gosonde_collector.evidence.model import LEAK, MEMORY, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import NO_PROBES, Batch, ProcessFilter, Step
from gosonde_collector.store.duckdb import DuckDBStore

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process
from tests.unit.collector.series import series_of, steps

HERE = Frame(SITE.function, SITE.file, SITE.line)


def leaking(until: int = 61) -> list[Batch]:
    return [batch(second, counters=[(0, SITE.pc, 10 * second, 0)]) for second in range(1, until)]


def shown(store: DuckDBStore, second: int, goroutines: int, form: str = MEMORY, kind: str = "goroutine") -> None:
    group = GoroutineGroup(goroutines, (), HERE, "chan send", 0, tuple(range(1, goroutines + 1)))
    store.add_snapshot("web-1", KEY, START + second * SECOND, GoroutineProfile(form, (group,), 0, kind))


def found(store: DuckDBStore) -> Finding:
    analyst = Analyst(store)
    analyst.run()
    (only,) = analyst.findings(ProcessFilter())
    return only


def numbers(finding: Finding, name: str) -> Numbers | None:
    (only,) = [witness.numbers for witness in finding.witnesses if witness.name == name]
    return only


def test_a_snapshot_has_its_count_beside_that_of_the_counters_then(store: DuckDBStore) -> None:
    store.append(leaking())
    shown(store, 50, 498)
    finding = found(store)
    assert numbers(finding, "memory") == Numbers(LIVE, START + 50 * SECOND, 498, 498, 470, 530)
    assert numbers(finding, "events") == Numbers(LIVE, START + 60 * SECOND, counted_low=600, counted_high=600)
    assert numbers(finding, "pprof") is None
    assert numbers(finding, "gctrace") is None


def test_a_proof_of_the_runtime_s_has_those_that_it_names(store: DuckDBStore) -> None:
    store.append(leaking())
    shown(store, 60, 400, "debug=2", LEAK)
    assert numbers(found(store), "pprof") == Numbers(LEAKED, START + 60 * SECOND, 400, 400, 570, 600)


def test_a_search_has_those_that_are_proved_and_those_that_are_probable(store: DuckDBStore) -> None:
    proofs = [(0, SITE.pc, 5, 50, 28, 2)]
    store.append([*leaking(), batch(61, proofs=proofs, searches=[(0, "")])])
    assert numbers(found(store), "proof") == Numbers(LEAKED, START + 61 * SECOND, 28, 30, 580, 600)


def test_memory_that_contradicts_the_counters_has_what_it_shows(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    store.append(leaking())
    analyst.run()
    later = [batch(second, counters=[(0, SITE.pc, 600 + second, 0)], mismatch=-500) for second in range(61, 66)]
    store.append(later)
    analyst.run()
    (withdrawn,) = analyst.findings(ProcessFilter())
    assert withdrawn.state == "withdrawn"
    assert numbers(withdrawn, "memory") == Numbers(LIVE, START + 65 * SECOND, 165, 165, 665, 665)


def test_counters_of_a_host_without_probes_have_none(store: DuckDBStore) -> None:
    described = process(precise=False, level="memory", steps=(Step(START, "memory", NO_PROBES, 0),))
    store.append([replace(one, processes=(described,)) for one in leaking()])
    assert numbers(found(store), "events") is None


def traced(heap_mb: Sequence[int], stacks_mb: Sequence[int | None]) -> list[GcTraceLine]:
    return [
        GcTraceLine(n, 6 * n * SECOND, 0, 0, MB, MB, heap * MB, 4 * MB, None if in_use is None else in_use * MB, False)
        for n, (heap, in_use) in enumerate(zip(heap_mb, stacks_mb, strict=True), 1)
    ]


def test_a_gctrace_log_has_what_stacks_grew_by_beside_what_the_counters_let_expect() -> None:
    series = series_of(steps([100 * second for second in range(1, 61)]), process())
    growth = Growth(60, Slope(1, 1, 1), 6_000, 6_000, 0, START, "steady", 60.0)
    lines = traced([5] * 9, range(1, 10))
    witness = gctraces.witness(series, growth, lines)
    assert witness.numbers == Numbers(STACK_BYTES, START + 54 * SECOND, 8 * MB, 8 * MB, 4_800 * gctraces.STACK_BYTES)
    older = gctraces.witness(series, growth, traced(range(1, 10), [None] * 9))
    assert older.numbers == Numbers(HEAP_BYTES, START + 54 * SECOND, 8 * MB, 8 * MB)


def test_numbers_outlive_the_collector_and_findings_of_older_ones_have_none(store: DuckDBStore) -> None:
    store.append(leaking())
    shown(store, 60, 600)
    finding = found(store)
    record = finding.record(1)
    assert Finding.from_record(record) == finding
    document = json.loads(record.document)
    for witness in document["witnesses"]:
        del witness["numbers"]
    older = Finding.from_record(replace(record, document=json.dumps(document)))
    assert [witness.numbers for witness in older.witnesses] == [None] * 5
