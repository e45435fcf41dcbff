"""What the collector deletes by itself."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.routine import Routine
from gosonde_collector.snapshots.policy import SnapshotAsker
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs

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
        asker=SnapshotAsker(SnapshotRequests(store, Worker("unused"), telemetry, OwnActs(store)), telemetry),
        expiring=Worker("unused"),
    )
    await_small(routine, store)
    assert sum(total.created for total in store.sites(ProcessFilter())) == int(newest.sum())
    store.close()
