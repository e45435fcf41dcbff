"""The collector asks for snapshots when they are of use, and leaves hosts in peace otherwise."""

from collections.abc import Sequence

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessKey
from gosonde_collector.snapshots.policy import (
    AT_ONCE,
    PER_SECOND,
    PROFILES,
    REST_S,
    SCHEDULE,
    SUSPICION,
    Due,
    SnapshotPolicy,
)
from gosonde_collector.store.duckdb import DuckDBStore

from tests.unit.collector.batches import KEY, SITE, batch

HOST = "web-1"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def places(count: int, host: str = HOST) -> list[tuple[str, ProcessKey]]:
    return [(host, ProcessKey("boot", pid, pid, 0)) for pid in range(1, count + 1)]


def test_a_suspected_process_is_asked_for_once_and_again_after_a_rest() -> None:
    clock = Clock()
    policy, (place,) = SnapshotPolicy(clock), places(1)
    assert policy.due([place], [], 0) == [Due(*place, SUSPICION)]
    clock.now += REST_S - 1
    assert policy.due([place], [], 0) == []
    clock.now += 1
    assert policy.due([place], [], 0) == [Due(*place, SUSPICION)]


def test_a_process_with_a_finding_is_asked_for_as_often_as_configured() -> None:
    clock = Clock()
    policy, (place,) = SnapshotPolicy(clock), places(1)
    assert policy.due([place], [place], 60) == [Due(*place, SUSPICION)]
    asked = []
    for _ in range(300):
        clock.now += 1
        asked += policy.due([], [place], 60)
    assert asked == [Due(*place, SCHEDULE)] * 5
    assert policy.due([], [place], 0) == []


def test_for_profiles_every_process_has_its_turn_though_there_are_more_than_a_host_is_asked_for() -> None:
    clock = Clock()
    policy, running = SnapshotPolicy(clock), places(30)
    assert policy.due([], [], 0, running=running) == []
    asked: list[Due] = []
    for _ in range(400):
        clock.now += 1
        asked += policy.due([], [], 0, running=running, profiles_s=60)
    assert {(due.host, due.process) for due in asked} == set(running)
    assert {due.reason for due in asked} == {PROFILES}
    assert len(asked) <= AT_ONCE + 400 * PER_SECOND


def test_for_profiles_a_process_that_was_asked_for_lately_is_left_alone() -> None:
    clock = Clock()
    policy, (place,) = SnapshotPolicy(clock), places(1)
    assert policy.due([place], [], 0, running=[place], profiles_s=600) == [Due(*place, SUSPICION)]
    clock.now += 599
    assert policy.due([], [], 0, running=[place], profiles_s=600) == []
    clock.now += 1
    assert policy.due([], [], 0, running=[place], profiles_s=600) == [Due(*place, PROFILES)]


def test_a_host_with_many_suspected_processes_is_asked_little_by_little_and_others_at_once() -> None:
    clock = Clock()
    policy, many, other = SnapshotPolicy(clock), places(20), places(1, "web-2")
    assert len(policy.due([*many, *other], [], 0)) == AT_ONCE + 1
    assert policy.due(many, [], 0) == []
    clock.now += 1 / PER_SECOND
    assert len(policy.due(many, [], 0)) == 1


def beginning(store: DuckDBStore, live: Sequence[int]) -> bool:
    store.append([batch(n, counters=[(0, SITE.pc, 500 + count, 500)]) for n, count in enumerate(live, start=1)])
    analyst = Analyst(store)
    analyst.run()
    assert analyst.open() == []
    return analyst.beginning(lambda _: True) == [(HOST, KEY)]


def test_a_site_that_begins_to_rise_makes_its_process_suspected_before_there_is_a_finding(store: DuckDBStore) -> None:
    assert beginning(store, [*[5] * 60, *range(5, 35)])


def test_a_site_that_goes_up_and_down_makes_nothing_suspected(store: DuckDBStore) -> None:
    assert not beginning(store, [5, 9, 3, 8, 4] * 20)


def test_a_process_that_is_not_wanted_is_not_looked_at(store: DuckDBStore) -> None:
    store.append([batch(n, counters=[(0, SITE.pc, 5 * n, 0)]) for n in range(1, 31)])
    analyst = Analyst(store)
    analyst.run()
    assert analyst.beginning(lambda _: False) == []
    assert analyst.beginning(lambda _: True) == [(HOST, KEY)]
