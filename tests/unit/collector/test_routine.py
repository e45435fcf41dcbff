"""What the collector deletes by itself."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.routine import Routine
from gosonde_collector.snapshots.policy import SnapshotAsker
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from gosonde_collector.telemetry.counters import Telemetry

from tests.unit.collector.batches import batch

HOURS = 75
SITES = 100_000
PATIENCE_S = 60.0


def await_small(routine: Routine, store: DuckDBStore) -> None:
    """Has the routine look after the store by itself until it is small enough."""

    async def look_after() -> None:
        work = asyncio.create_task(routine.expire())
        async with asyncio.timeout(PATIENCE_S):
            while store.size() > 64 << 20:
                await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(look_after())


def test_a_store_that_is_too_large_lets_go_of_the_oldest_details_and_of_no_total(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    now = time.time_ns()
    taken = 0
    store = open_store(tmp_path / "data", lambda: taken)
    newest = np.zeros(SITES, np.int64)
    for hour in range(HOURS, 0, -1):
        newest = newest + rng.integers(1, 1 << 40, SITES)
        columns = {
            "process": np.zeros(SITES, np.int64),
            "pc": np.arange(SITES, dtype=np.uint64),
            "created": newest,
            "exited": rng.permutation(newest) // 2,
        }
        taken = now - hour * 3_600 * 10**9
        store.append([replace(batch(HOURS - hour + 1), taken_unix_nano=taken, site_counters=columns)])
    assert store.size() > 64 << 20
    telemetry = Telemetry()
    routine = Routine(
        CollectorConfig(data=tmp_path, retention_hours=1000, retention_mb=64),
        store,
        Worker("unused"),
        Analyst(store),
        telemetry,
        asker=SnapshotAsker(SnapshotRequests(store, Worker("unused"), telemetry), telemetry),
        expiring=Worker("unused"),
    )
    await_small(routine, store)
    assert sum(total.created for total in store.sites(ProcessFilter())) == int(newest.sum())
    store.close()


async def test_a_round_that_fails_for_what_nobody_foresaw_is_counted_and_the_next_one_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosonde_collector.routine.ROUND_SECONDS", 0.0)
    store = open_store(tmp_path / "data")
    rounds: list[int] = []

    def fails(before_unix_nano: int) -> None:
        rounds.append(before_unix_nano)
        raise ArithmeticError("nobody foresaw this")

    monkeypatch.setattr(store, "expire", fails)
    telemetry, worker = Telemetry(), Worker("analysing")
    asker = SnapshotAsker(SnapshotRequests(store, Worker("unused"), telemetry), telemetry)
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
