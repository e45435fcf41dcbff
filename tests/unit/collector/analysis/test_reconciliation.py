"""A finding rests on events; where memory contradicts them more and more, it does not open, or is withdrawn."""

from collections.abc import Sequence

import numpy as np
import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.reconciliation import contradiction
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.store.records import Series

from tests.unit.collector.batches import SITE, batch, process
from tests.unit.collector.series import series_of, steps


def feed(store: DuckDBStore, seconds: range, mismatch: int = 0, per_second: int = 20, baseline: int = 0) -> None:
    """A site makes goroutines that do not end, as far as the events have it."""
    store.append(
        [batch(n, counters=[(0, SITE.pc, per_second * n, 0)], mismatch=mismatch, baseline=baseline) for n in seconds]
    )


def found(analyst: Analyst) -> list[Finding]:
    analyst.run()
    return analyst.findings(ProcessFilter())


def test_no_finding_opens_while_memory_contradicts_the_growth(store: DuckDBStore) -> None:
    feed(store, range(1, 31))
    feed(store, range(31, 61), mismatch=-580)
    assert found(Analyst(store)) == []


def test_an_open_finding_is_withdrawn_when_memory_begins_to_contradict_it(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(1, 61))
    (opened,) = found(analyst)
    assert opened.state == "opened"
    feed(store, range(61, 71), mismatch=-1_200)
    (withdrawn,) = found(analyst)
    assert (withdrawn.id, withdrawn.state) == (opened.id, "withdrawn")
    assert (withdrawn.confidence, withdrawn.growth_per_second) == (0.0, 0.0)
    (memory,) = [witness for witness in withdrawn.witnesses if witness.name == "memory"]
    assert memory.verdict == "disagrees"
    assert "1200 fewer live goroutines than the counters" in memory.detail
    feed(store, range(71, 80), mismatch=-1_400)
    assert [finding.state for finding in found(analyst)] == ["withdrawn"]


def test_one_that_no_longer_grows_is_withdrawn_too(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(1, 61))
    assert found(analyst)
    store.append([batch(n) for n in range(61, 300)])
    (stable,) = found(analyst)
    assert stable.state == "stable"
    store.append([batch(300, counters=[(0, SITE.pc, 1_200, 0)], mismatch=-1_150)])
    assert [finding.state for finding in found(analyst)] == ["withdrawn"]


def test_what_grows_on_without_a_growing_mismatch_is_found_again(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(1, 61))
    assert found(analyst)
    feed(store, range(61, 71), mismatch=-300)
    assert [finding.state for finding in found(analyst)] == ["withdrawn"]
    # Some events were lost once: soon the growth is more than ten times that.
    feed(store, range(71, 300), mismatch=-300)
    (again,) = found(analyst)
    assert again.state == "opened"
    assert again.opened_unix_nano > again.first_seen_unix_nano


def test_a_withdrawn_finding_is_kept_over_a_restart(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(1, 61))
    found(analyst)
    feed(store, range(61, 71), mismatch=-1_200)
    found(analyst)
    assert [finding.state for finding in Analyst(store).findings(ProcessFilter())] == ["withdrawn"]


def with_mismatch(values: Sequence[int]) -> Series:
    grown = series_of(steps([10 * n for n in range(1, len(values))]), process())
    grown.mismatch[:] = np.array(values, np.int64)
    return grown


@pytest.mark.parametrize(
    ("mismatches", "grown", "contradicted"),
    [
        ((0, 0, 0), 100, False),
        ((0, -5, -5), 10, False),
        ((0, -6, -6), 10, True),
        ((0, 6, 6), 10, True),
        ((0, 10, 10), 100, False),
        ((0, 11, 11), 100, True),
        ((-300, -300, -300), 100, False),
        ((-300, -305, -290), 10, False),
        ((0, -400, 0), 10, False),
    ],
)
def test_a_mismatch_counts_when_it_grows_by_more_than_a_tenth_of_the_growth(
    mismatches: Sequence[int], grown: int, contradicted: bool
) -> None:
    assert (contradiction(with_mismatch(mismatches), grown) is not None) == contradicted


def test_live_counts_those_that_lived_before(store: DuckDBStore) -> None:
    feed(store, range(1, 61), baseline=4_000)
    (finding,) = found(Analyst(store))
    assert finding.live == 4_000 + 20 * 60
    assert finding.base >= 4_000
