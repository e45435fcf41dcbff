"""What the collector does by itself from time to time: analysis and retention."""

import asyncio
import time

import structlog

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig
from gosonde_collector.errors import StoreError
from gosonde_collector.store.protocol import Store
from gosonde_collector.worker import Worker

log = structlog.get_logger(__name__)

#: Time between two clean-ups, in seconds.
EXPIRE_SECONDS = 600.0
#: Analysis may take no more than one part in this many of the store's time.
ANALYSIS_SHARE = 5.0
HOUR_NS = 3_600_000_000_000


class Routine:
    """Runs until cancelled. `config` may be replaced while it does."""

    def __init__(self, config: CollectorConfig, store: Store, worker: Worker, analyst: Analyst) -> None:
        self.config = config
        self._store = store
        self._worker = worker
        self._analyst = analyst

    async def analyse(self) -> None:
        """Judges every site, rests, and begins again."""
        while True:
            began = time.monotonic()
            try:
                await self._worker.run(self._analyst.run)
            except StoreError as error:
                log.error("analysis failed", reason=str(error))  # noqa: TRY400 - the reason says it all
            took = time.monotonic() - began
            await asyncio.sleep(max(self.config.analysis_interval_seconds, ANALYSIS_SHARE * took))

    async def expire(self) -> None:
        """Deletes what is too old, rests, and begins again."""
        while True:
            before = time.time_ns() - int(self.config.retention_hours * HOUR_NS)
            try:
                await self._worker.run(self._store.expire, before)
                await self._worker.run(self._analyst.forget, before)
            except StoreError as error:
                log.error("old rows could not be deleted", reason=str(error))  # noqa: TRY400 - as above
            await asyncio.sleep(EXPIRE_SECONDS)
