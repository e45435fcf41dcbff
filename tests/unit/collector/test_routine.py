"""What the collector does by itself, again and again."""

import asyncio
import time
from pathlib import Path

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig
from gosonde_collector.model.worker import Worker
from gosonde_collector.routine import Routine
from gosonde_collector.snapshots.policy import SnapshotAsker
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs


async def test_a_round_that_fails_for_what_nobody_foresaw_is_counted_and_the_next_one_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosonde_collector.routine.ROUND_SECONDS", 0.0)
    store = open_store(tmp_path / "data")
    rounds: list[int] = []

    def fails(before_unix_nano: int, *_: int) -> None:
        rounds.append(before_unix_nano)
        raise ArithmeticError("nobody foresaw this")

    monkeypatch.setattr(store, "expire", fails)
    telemetry, worker = Telemetry(), Worker("analysing")
    asker = SnapshotAsker(SnapshotRequests(store, Worker("unused"), telemetry, OwnActs(store)), telemetry)
    config, analyst = CollectorConfig(data=tmp_path), Analyst(store)
    routine = Routine(config, store, worker, analyst, telemetry, asker=asker, expiring=worker)
    running = asyncio.create_task(routine.expire())
    while len(rounds) < 3:
        await asyncio.sleep(0.01)
        assert not running.done()
    running.cancel()
    failures = telemetry.registry.get_sample_value("gosonde_collector_routine_failures_total", {"work": "retention"})
    assert failures is not None
    assert failures >= 2
    worker.close()
    store.close()


async def test_an_analysis_that_waits_for_a_cpu_is_not_followed_by_a_longer_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosonde_collector.routine.ANALYSIS_SHARE", 1_000.0)
    store = open_store(tmp_path / "data")
    telemetry, worker = Telemetry(), Worker("analysing")
    asker = SnapshotAsker(SnapshotRequests(store, Worker("unused"), telemetry, OwnActs(store)), telemetry)
    config, analyst = CollectorConfig(data=tmp_path, analysis_interval_seconds=0.5), Analyst(store)
    monkeypatch.setattr(
        analyst, "run", lambda: time.sleep(0.1)
    )  # it takes no CPU while it sleeps: this stands for that
    routine = Routine(config, store, worker, analyst, telemetry, asker=asker, expiring=worker)
    running = asyncio.create_task(routine.analyse())
    while not analyst.freshness.rest_seconds:
        await asyncio.sleep(0.01)
    assert analyst.freshness.rest_seconds < 60
    running.cancel()
    worker.close()
    store.close()
