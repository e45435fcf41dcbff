"""A batch that cannot be stored keeps out no other, and ends nothing."""

import asyncio
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any, cast

import pytest
from gosonde_collector.ingest.committer import Committer
from gosonde_collector.model.errors import DiskFullError, StoreError
from gosonde_collector.model.values import Batch
from gosonde_collector.model.worker import Worker
from gosonde_collector.telemetry.counters import Telemetry

from tests.unit.collector.batches import batch

BAD = 3


class Picky:
    """A store that fails when it is given the third batch, alone or among others."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.stored: list[int] = []
        self.asked = 0

    def append(self, batches: Sequence[Batch]) -> None:
        self.asked += 1
        if BAD in {one.sequence for one in batches}:
            raise self._error
        self.stored += [one.sequence for one in batches]


async def committed_together(store: Picky) -> tuple[list[object], bool]:
    """What becomes of five batches that wait together, and whether a later one is stored."""
    with closing(Worker("test")) as worker:
        committer = Committer(cast("Any", store), worker, Telemetry())
        waiting = [asyncio.ensure_future(committer.commit(batch(sequence))) for sequence in range(1, 6)]
        await asyncio.sleep(0)
        task = asyncio.create_task(committer.run())
        found = await asyncio.gather(*waiting, return_exceptions=True)
        await committer.commit(batch(6))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return [type(one) for one in found], 6 in store.stored


@pytest.mark.parametrize("error", [StoreError("a conversion failed"), ValueError("what nobody foresaw")])
async def test_a_batch_that_cannot_be_stored_keeps_out_no_other_and_ends_nothing(error: Exception) -> None:
    store = Picky(error)
    nothing = type(None)
    assert await committed_together(store) == ([nothing, nothing, StoreError, nothing, nothing], True)
    assert store.stored == [1, 2, 4, 5, 6]


async def test_a_full_disk_is_asked_once_for_all_that_wait_together() -> None:
    store = Picky(DiskFullError("no room"))
    assert await committed_together(store) == ([DiskFullError] * 5, True)
    assert store.asked == 2
