"""Pending timers that become more and more are a finding of their own; those that come and go are none."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.explanation import explain
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.timer_findings import growth_of
from gosonde_collector.analysis.timer_series import series_of
from gosonde_collector.model.values import ProcessFilter, ProcessKey
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.store.records import Running, Series, TimersName, TimersRead
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind

from tests.unit.collector.batches import KEY, SECOND, START, batch, process

EXPIRE = TimersName("func", "main.expire", repeats=False)
CHANNEL = TimersName("channel", "time.sendTime", repeats=False)
EVERY_S = 15


def feed(store: DuckDBStore, counts: Iterable[int], first_s: int = 0, callback: str = "main.expire") -> None:
    """One reading each EVERY_S seconds."""
    for number, pending in enumerate(counts):
        seconds = first_s + number * EVERY_S
        timers = [(0, callback, pending)] if pending else []
        store.append([batch(seconds + 1, timers=timers, taken_unix_nano=START + seconds * SECOND)])


def found(analyst: Analyst) -> list[Finding]:
    analyst.run()
    return analyst.findings(ProcessFilter())


def read(seconds: float, *groups: TimerGroup, others: int = 0, heap_unread: str = "", unread: str = "") -> TimersRead:
    known = PendingTimers(groups, heap_unread=heap_unread)
    return TimersRead(START + int(seconds * SECOND), known, others, bool(others), unread)


def group(lasting: int | None, name: TimersName = EXPIRE, waits_in: str = "") -> TimerGroup:
    """With as many again that are due soon."""
    kind = TimerKind(name.kind)
    return TimerGroup(name.callback, waits_in, kind, 2 * (lasting or 0), SECOND, None, 64, lasting)


def series(readings: Sequence[TimersRead], name: TimersName = EXPIRE) -> Series | None:
    return series_of(1, Running("web-1", process(), START), name, readings)


def live(readings: Sequence[TimersRead], name: TimersName = EXPIRE) -> list[int]:
    known = series(readings, name)
    return known.live.tolist() if known else []


def grows(readings: Sequence[TimersRead]) -> bool:
    known = series(readings)
    return known is not None and growth_of(known) is not None


def test_timers_that_become_more_are_a_finding_with_their_callback_and_what_they_keep(store: DuckDBStore) -> None:
    feed(store, range(10, 210, 10))
    (finding,) = found(Analyst(store))
    assert (finding.state, finding.cause, finding.site.function) == ("opened", "pending-timers", "main.expire")
    assert (finding.live, finding.process, finding.timers and finding.timers.name) == (200, KEY, EXPIRE)
    assert finding.growth_per_second == pytest.approx(10 / EVERY_S, rel=0.1)
    assert [(one.name, one.verdict) for one in finding.witnesses] == [("events", "silent"), ("memory", "agrees")]
    assert finding.cause_reason.startswith("200 of 200 pending timers are due in more than 5 minutes; ")
    assert "timer.Stop()" in finding.remedy
    assert "main.expire" in finding.remedy


def test_a_finding_of_timers_is_kept_over_a_restart_of_the_collector(store: DuckDBStore) -> None:
    feed(store, range(10, 210, 10))
    before = found(Analyst(store))
    feed(store, [210], 20 * EVERY_S)
    (again,) = found(Analyst(store))
    assert again.id == before[0].id
    assert again.live == 210


def test_timers_that_stay_as_many_as_they_were_are_no_finding(store: DuckDBStore) -> None:
    feed(store, [500 + (number * 7) % 23 for number in range(60)])
    assert found(Analyst(store)) == []


@pytest.mark.parametrize("lives_s", [600.0, 1_800.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_population_of_timers_that_finds_its_level_is_not_taken_for_a_leak(seed: int, lives_s: float) -> None:
    per_second, random = 0.3, np.random.default_rng(seed)
    made = np.cumsum(random.exponential(1 / per_second, int(per_second * 6 * lives_s)))
    gone = made + random.uniform(0.0, 1.0, made.size) * lives_s
    readings = []
    for now in np.arange(lives_s, 5 * lives_s, EVERY_S):
        readings.append(read(now, group(int(((made <= now) & (gone > now)).sum()))))
        assert not grows(readings)


def test_it_rests_when_they_stay_and_is_over_when_they_go(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(10, 210, 10))
    found(analyst)
    feed(store, [200] * 80, 20 * EVERY_S)
    (stays,) = found(analyst)
    assert (stays.state, stays.pattern, stays.live) == ("stable", "plateau", 200)
    feed(store, [20], 100 * EVERY_S)
    (gone,) = found(analyst)
    assert (gone.state, gone.live) == ("resolved", 20)


def test_it_ends_with_its_process_and_comes_back_in_the_next(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(10, 210, 10))
    before = found(analyst)[0]
    at = START + 400 * SECOND
    store.append([batch(400, processes=[process(ended_unix_nano=at)], taken_unix_nano=at)])
    assert [(one.id, one.state, one.ended, one.live) for one in found(analyst)] == [(before.id, "resolved", True, 0)]
    new = process(ProcessKey("boot", 4712, 500, 0), started_unix_nano=at, counted_since_unix_nano=at)
    for number in range(1, 21):
        now = at + number * EVERY_S * SECOND
        timers = [(0, "main.expire", 10 * number)]
        store.append([batch(400 + number, processes=[new], timers=timers, taken_unix_nano=now)])
    (again,) = found(analyst)
    assert (again.id, again.restarts, again.process.pid, again.state) == (before.id, 1, 4712, "growing")


def test_its_explanation_has_how_many_were_pending_over_time(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(10, 210, 10))
    (finding,) = found(analyst)
    points = explain(store, analyst, finding.id).points
    assert points[0][1] <= 20
    assert points[-1] == (START + 19 * EVERY_S * SECOND, 200)


def test_processes_with_findings_of_timers_alone_need_no_snapshots(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    feed(store, range(10, 210, 10))
    assert found(analyst)
    assert analyst.open() == []


def test_sleeping_goroutines_and_deadlines_of_connections_are_no_finding_of_timers(store: DuckDBStore) -> None:
    feed(store, range(10, 210, 10), callback="runtime.goroutineReady")
    assert found(Analyst(store)) == []


def test_timers_that_a_goroutine_waits_for_are_left_to_the_finding_of_goroutines() -> None:
    waited_for = [read(EVERY_S * n, group(10 * n, CHANNEL, waits_in="main.tick")) for n in range(1, 21)]
    assert set(live(waited_for, CHANNEL)) == {0}


def test_a_reading_without_a_group_says_nothing_of_it_while_there_are_smaller_groups() -> None:
    readings = [read(0, group(5)), read(15, others=40), read(30, group(7)), read(45)]
    assert live(readings) == [5, 7, 0]


def test_channels_are_not_judged_by_a_reading_that_left_out_the_heap() -> None:
    readings = [read(0, group(5, CHANNEL)), read(15, heap_unread="takes too long"), read(30, group(6, CHANNEL))]
    assert live(readings, CHANNEL) == [5, 6]


def test_a_reading_that_failed_counts_for_nothing() -> None:
    assert live([read(0, group(5)), read(15, unread="no such process"), read(30, group(6))]) == [5, 6]


def test_what_an_older_agent_does_not_say_of_counts_for_nothing() -> None:
    assert live([read(0, group(None)), read(15, group(6))]) == [6]


def test_timers_that_are_due_soon_are_not_judged(store: DuckDBStore) -> None:
    for number in range(20):
        taken = START + number * EVERY_S * SECOND
        one = batch(number + 1, timers=[(0, "main.expire", 10 * number + 10)], taken_unix_nano=taken)
        one.timer_readings["group_lasting"][0] = [0]
        store.append([one])
    assert found(Analyst(store)) == []
