"""The first check of all sites leaves out none that grows, and the sites it leaves are read as the store has them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gosonde_collector.analysis.growth import LOOKBACK_NS, find_growth
from gosonde_collector.analysis.history import History
from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.analysis.survey import Survey
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from gosonde_collector.store.records import Series
from numpy.typing import NDArray

from tests.unit.collector.batches import KEY, SITE, START, STREAM, batch, process

Counts = NDArray[np.int64]
SITES = 80


def paths(seed: int, moments: Counts) -> tuple[Counts, Counts]:
    """(created, exited) of sites of every kind at each moment, in seconds; shape (moments, SITES)."""
    random = np.random.default_rng(seed)
    wait = np.diff(moments, prepend=0)[:, None]
    churn = random.poisson(random.choice([0, 0.1, 5, 100], SITES) * wait).cumsum(axis=0)
    leak = random.poisson(random.choice([0, 0, 0.005, 0.02, 0.3, 10], SITES) * wait).cumsum(axis=0)
    start, length = random.integers(0, moments[-1], SITES), random.choice([1, 20, 300, 3_000], SITES)
    ramp = random.choice([0, 0, 20, 1_000], SITES) * np.clip((moments[:, None] - start) / length, 0, 1)
    wave = random.choice([0, 0, 30], SITES) * (
        1 + np.sin(2 * np.pi * moments[:, None] / random.choice([60, 900, 7_000]))
    )
    walk = random.integers(-2, 3, (len(moments), SITES)).cumsum(axis=0) * random.choice([0, 0, 1], SITES)
    live = leak + (ramp + wave).astype(np.int64) + walk + random.integers(0, 3, (len(moments), SITES))
    created = np.maximum.accumulate(churn + np.maximum.accumulate(live, axis=0))
    return created, np.maximum.accumulate(created - live, axis=0)


def past(moments: Counts, created: Counts, exited: Counts, end: int) -> Steps:
    """The last hour before a moment of one site, as the store gives it."""
    first = max(int(np.searchsorted(moments[:end], moments[end - 1] - LOOKBACK_NS)) - 1, 0)
    kept = slice(first, end)
    return Steps(moments[kept], created[kept], exited[kept], int(moments[end - 1]))


@pytest.mark.parametrize(("every_s", "seed"), [(1, 1), (1, 2), (10, 3), (10, 4), (10, 5), (0, 6)])
def test_no_site_that_grows_is_dismissed_at_a_glance_and_most_others_are(every_s: int, seed: int) -> None:
    seconds = 1_500 if every_s == 1 else 9_000
    random = np.random.default_rng(seed)
    waits = np.full(seconds // every_s, every_s) if every_s else random.choice([1, 2, 10, 60], seconds // 18)
    moments = waits.cumsum()
    created, exited = paths(seed, moments)
    moments, created, exited = (np.insert(values, 0, 0, axis=0) for values in (moments, created, exited))
    times, pcs = START + moments * SECOND, np.arange(SITES, dtype=np.uint64)
    history, grown, suspected, judged = History(START), 0, 0, 0
    for end in range(1, len(times) + 1):
        changed = np.flatnonzero(created[end - 1] + exited[end - 1] != created[end - 2] + exited[end - 2])
        history.add(int(times[end - 1]), pcs[changed], created[end - 1, changed], exited[end - 1, changed])
        if end % 61 == 0:
            found = {
                pc for pc in range(SITES) if find_growth(past(times, created[:, pc], exited[:, pc], end)) is not None
            }
            may = set(history.suspects(int(times[end - 1])).tolist())
            assert found <= may
            grown, suspected, judged = grown + len(found), suspected + len(may), judged + SITES
    assert grown > 0
    assert suspected <= 2 * grown
    assert len(history.bins(0).first) < 200


def test_what_has_not_changed_for_an_hour_is_put_together() -> None:
    history = History(START)
    for second in range(20_000):
        history.add(START + second * SECOND, np.array([7], np.uint64), np.array([second]), np.array([0]))
    first = history.bins(0).first
    assert len(first) < 200
    assert START + 16_000 * SECOND < first[0] <= START + 16_400 * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def same(ours: Series, stored: Series | None) -> bool:
    assert stored is not None
    assert (ours.host, ours.process, ours.site, ours.until_unix_nano) == (
        stored.host,
        stored.process,
        stored.site,
        stored.until_unix_nano,
    )
    pairs = (getattr(ours, name) == getattr(stored, name) for name in ("unix_nano", "created", "exited"))
    return all(np.all(pair) for pair in pairs)


def test_a_site_that_may_grow_is_followed_as_the_store_has_it(store: DuckDBStore) -> None:
    survey, other = Survey(store), replace(SITE, pc=0x2000)
    for begin in range(1, 4_000, 56):
        seconds = range(begin, begin + 56, 7)
        rows = {second: [(0, SITE.pc, 5 * second, second), (0, other.pc, second, second)] for second in seconds}
        store.append([batch(second, counters=counters) for second, counters in rows.items()])
        if begin % 5 == 1 and begin > 60:
            (found,) = survey.suspects()
            assert same(found, store.site_series("web-1", KEY, SITE.pc, LOOKBACK_NS))
    (found,) = Survey(store).suspects()
    assert same(found, store.site_series("web-1", KEY, SITE.pc, LOOKBACK_NS))
    assert [site.pc for site in survey.sites_beside(found)] == [SITE.pc, other.pc]


def test_nothing_is_missed_when_counting_began_in_another_run_or_the_clock_was_set_back(store: DuckDBStore) -> None:
    survey, again = Survey(store), replace(STREAM, agent_epoch="epoch-2", agent_run=2)
    store.append([batch(second, counters=[(0, SITE.pc, 9 * second, 0)]) for second in range(1, 60)])
    assert len(survey.suspects()) == 1
    since = process(counted_since_unix_nano=START + 60 * SECOND)
    for second in range(1, 70):
        taken = START + (60 + second - 5 * (second == 30)) * SECOND
        counters = [(0, SITE.pc, 9 * second, 0)]
        store.append([batch(second, stream=again, processes=[since], counters=counters, taken_unix_nano=taken)])
    (found,) = survey.suspects()
    assert same(found, store.site_series("web-1", KEY, SITE.pc, LOOKBACK_NS))


def test_a_process_that_ended_is_no_longer_looked_at(store: DuckDBStore) -> None:
    survey = Survey(store)
    store.append([batch(second, counters=[(0, SITE.pc, 9 * second, 0)]) for second in range(1, 60)])
    assert len(survey.suspects()) == 1
    store.append([batch(60, processes=[process(ended_unix_nano=START + 60 * SECOND)])])
    assert survey.suspects() == []
    assert survey.sites([("web-1", KEY, SITE.pc)]) == {}


def test_a_process_that_claims_too_many_sites_takes_no_more_room() -> None:
    history = History(START)
    for part in range(4):
        pcs = np.arange(part * 8_000, (part + 1) * 8_000, dtype=np.uint64)
        history.add(START + part, pcs, np.ones(8_000, np.int64), np.zeros(8_000, np.int64))
    assert (len(history.pcs), history.passed_over) == (20_000, 12_000)
    history.add(START + 9, np.array([3, 31_000], np.uint64), np.array([5, 5]), np.array([0, 0]))
    assert (int(history.live[3]), history.passed_over) == (5, 12_001)
