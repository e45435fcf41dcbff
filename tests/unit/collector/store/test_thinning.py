"""Totals are kept at wider and wider distances as they age, and say what they said."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import Batch, ProcessFilter
from gosonde_collector.store import retention
from gosonde_collector.store.duckdb import FILE_NAME, DuckDBStore, open_store
from gosonde_collector.store.records import Series

from tests.unit.collector.batches import KEY, SECOND, SITE, START, STREAM, batch, process

ALL = ProcessFilter()
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
#: So that minutes and hours of what is counted begin at round numbers.
BEGIN = START // HOUR * HOUR
LEAK, HEALTHY = SITE, replace(SITE, pc=0x2000, line=43)
#: Longer than any test's history, and than the time since the epoch.
EVER = 2**62
TOGETHER = 12


@contextmanager
def kept(folder: Path, batches: list[Batch]) -> Iterator[DuckDBStore]:
    """A store that stored TOGETHER batches at a time, when the last of these was taken."""
    stored = [0]
    with closing(open_store(folder, lambda: stored[0])) as store:
        for some in together(batches):
            stored[0] = some[-1].taken_unix_nano
            store.append(some)
        yield store


def together(batches: list[Batch]) -> list[list[Batch]]:
    return [batches[at : at + TOGETHER] for at in range(0, len(batches), TOGETHER)]


def left(batches: list[Batch], before: int, minutes: int, hours: int) -> list[int]:
    """The times of the totals that are to be left: at each age the last ones of their step."""
    times = [(one.taken_unix_nano, some[-1].taken_unix_nano) for some in together(batches) for one in some]
    for step, limit in ((MINUTE, before), (HOUR, minutes), (EVER, hours)):
        last = {taken // step: taken for taken, stored in times if stored < limit}
        times = [(taken, stored) for taken, stored in times if stored >= limit or last[taken // step] == taken]
    return [taken for taken, _ in times]


def history(seconds: int, every: int, leak: Callable[[int], int]) -> list[Batch]:
    """A process with a site that leaks so many in all by each second, and one that churns; all else grows evenly."""
    began = process(started_unix_nano=BEGIN, counted_since_unix_nano=BEGIN)
    return [
        batch(
            number, taken_unix_nano=BEGIN + second * SECOND, processes=[began], sites=[LEAK, HEALTHY],
            counters=[(0, LEAK.pc, leak(second), 0), (0, HEALTHY.pc, 10 * second, 10 * second - second % 7)],
            totals=[(0, second, 2 * second, 3 * second)], costs=[(0, second, 100 * second, 5, 5)],
            parks=[(0, "select", 1, second, second - 1, second + 9, 3, 1, 2)], losses={"x": second},
            pauses=[(0, number, BEGIN + second * SECOND, 1_000, "GC")],
        )
        for number, second in enumerate(range(every, seconds + 1, every), 1)
    ]  # fmt: skip


def series(store: DuckDBStore, pc: int = LEAK.pc) -> Series:
    found = store.site_series(STREAM.host, KEY, pc, EVER)
    assert found
    return found


def findings(store: DuckDBStore) -> list[tuple[str, int, str]]:
    analyst = Analyst(store)
    analyst.run()
    return [(found.site.function, found.live, found.state) for found in analyst.findings(ALL)]


def current(store: DuckDBStore) -> list[object]:
    """What is told of now."""
    return [store.sites(ALL), store.processes(ALL), store.gc_totals(), store.parks(ALL), store.losses()]


def test_of_older_totals_the_last_of_each_minute_stays_and_of_still_older_ones_that_of_each_hour(
    tmp_path: Path,
) -> None:
    batches, end = history(5 * 3_600, 20, lambda second: second), BEGIN + 5 * HOUR
    moments = end - HOUR, end - 2 * HOUR, end - 4 * HOUR
    with kept(tmp_path, batches) as store:
        told = current(store)
        assert len(series(store).unix_nano) == 1 + len(batches)
        store.expire(*moments)
        found = series(store)
        # The first one is zero at the beginning of counting.
        assert found.unix_nano.tolist() == [BEGIN, *left(batches, *moments)]
        assert len(found.unix_nano) < len(batches) // 2
        assert found.created.tolist() == ((found.unix_nano - BEGIN) // SECOND).tolist()
        assert current(store) == told


def test_what_is_thinned_in_many_steps_is_as_what_is_thinned_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCHES", 30)
    batches, end = history(3 * 3_600, 30, lambda second: second // 2), BEGIN + 3 * HOUR
    moments = end - HOUR, end - 2 * HOUR, 0
    with kept(tmp_path, batches) as store:
        for ago in (47, 13):
            store.expire(*(moment - ago * MINUTE for moment in moments))
        store.expire(*moments)
        assert series(store).unix_nano.tolist() == [BEGIN, *left(batches, *moments)]


def test_a_crash_between_two_steps_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches, moments = history(2 * 3_600, 30, lambda second: second), (BEGIN + HOUR, 0, 0)
    monkeypatch.setattr(retention, "BATCHES", 20)
    steps, thin = iter(range(3)), retention.thin

    def dies(connection: duckdb.DuckDBPyConnection, level: retention.Level, band: retention.Band) -> None:
        thin(connection, level, band)
        if next(steps, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(retention, "thin", dies)
    with kept(tmp_path, batches) as store, pytest.raises(KeyboardInterrupt):
        store.expire(*moments)
    monkeypatch.setattr(retention, "thin", thin)
    with closing(open_store(tmp_path, lambda: BEGIN + 2 * HOUR)) as again:
        assert len(left(batches, *moments)) + 1 < len(series(again).unix_nano) < len(batches)
        again.expire(*moments)
        found = series(again)
        assert found.unix_nano.tolist() == [BEGIN, *left(batches, *moments)]
        assert found.created.tolist() == ((found.unix_nano - BEGIN) // SECOND).tolist()
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        doubled = "SELECT process, pc, sequence FROM site_counters GROUP BY ALL HAVING count(*) > 1"
        assert connection.execute(doubled).fetchall() == []


@pytest.mark.parametrize(
    "leak",
    [
        lambda second: second,
        lambda second: second // 90 * 90,
        lambda second: max(second - 3_600, 0),
        lambda second: min(second, 1_800),
        lambda _second: 5,
    ],
    ids=["steady", "steps", "late", "stopped", "none"],
)
def test_the_analysis_says_the_same_of_thinned_totals(tmp_path: Path, leak: Callable[[int], int]) -> None:
    """Also where they are thinned within the hour that it looks back."""
    batches, end = history(2 * 3_600, 15, leak), BEGIN + 2 * HOUR
    minutes = np.arange(BEGIN + MINUTE, end, MINUTE)
    with kept(tmp_path, batches) as store:
        raw, before = findings(store), series(store)
        for seam in (60, 30, 5):
            store.expire(end - seam * MINUTE, 0, 0)
            thinned = series(store)
            assert len(thinned.unix_nano) < len(before.unix_nano)
            assert findings(store) == raw
            at = [found.live[np.searchsorted(found.unix_nano, minutes) - 1] for found in (before, thinned)]
            assert at[0].tolist() == at[1].tolist()
