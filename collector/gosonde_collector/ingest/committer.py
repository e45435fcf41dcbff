"""Commits batches of many streams together: one transaction takes all that wait."""

import asyncio
from contextlib import suppress

import structlog
from gosonde_common.errors import GosondeError, UnavailableError

from gosonde_collector.model.errors import DiskFullError, StoreError
from gosonde_collector.model.values import Batch
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry

log = structlog.get_logger(__name__)

#: Batches that wait; a stream whose batch finds no room waits too, and with it its agent.
MAX_WAITING = 256
#: Batches of one transaction.
MAX_TOGETHER = 64

Waiting = tuple[Batch, asyncio.Future[None]]


class Committer:
    """`run` it in a task; `commit` returns once a batch is durable."""

    def __init__(self, store: Store, worker: Worker, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._store = store
        self._worker = worker
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue(MAX_WAITING)
        self._closed = False

    async def commit(self, batch: Batch) -> None:
        """Waits until the batch is stored.

        Raises:
            StoreError: The store failed; nothing of the batch is stored.
            DiskFullError: There is no room for it.
            UnavailableError: The collector is stopping.
        """
        if self._closed:
            raise UnavailableError("the collector is stopping; send the batch again later")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._waiting.put((batch, done))
        await done

    async def run(self) -> None:
        """Commits until it is cancelled; then fails what still waits."""
        try:
            while True:
                await self._commit_together([await self._waiting.get()])
        finally:
            self._closed = True
            self._refuse()

    async def _commit_together(self, taken: list[Waiting]) -> None:
        with suppress(asyncio.QueueEmpty):
            while len(taken) < MAX_TOGETHER:
                taken.append(self._waiting.get_nowait())
        try:
            error = await self._appended(taken)
            # What one batch holds must not keep those of others out; a full disk does so anyway.
            if error is None or len(taken) == 1 or isinstance(error, DiskFullError):
                self._settle(taken, error)
                return
            for one in taken:
                self._settle([one], await self._appended([one]))
        except BaseException:
            _settle(taken, UnavailableError("the collector is stopping; send the batch again later"))
            raise

    async def _appended(self, taken: list[Waiting]) -> GosondeError | None:
        """Why these batches could not be stored together; None when they were."""
        try:
            await self._worker.run(self._store.append, [batch for batch, _ in taken])
        except GosondeError as error:
            return error
        except Exception as error:
            log.exception("batches could not be stored", batches=len(taken))
            return StoreError(f"the batch could not be stored: {type(error).__name__}")
        return None

    def _settle(self, taken: list[Waiting], error: GosondeError | None) -> None:
        if error:
            self._telemetry.lost.inc(len(taken))
        _settle(taken, error)

    def _refuse(self) -> None:
        left = []
        with suppress(asyncio.QueueEmpty):
            while True:
                left.append(self._waiting.get_nowait())
        _settle(left, UnavailableError("the collector is stopping; send the batch again later"))


def _settle(taken: list[Waiting], error: GosondeError | None) -> None:
    for _, done in taken:
        if done.done():
            continue
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)
