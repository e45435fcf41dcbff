"""The collector's routine work: analysis, retention, and moving the log into the store."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from gosonde_common.clock import steady_unix_nano

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig
from gosonde_collector.model.errors import DiskFullError, StoreError
from gosonde_collector.model.worker import Worker
from gosonde_collector.snapshots.policy import Due, Place, SnapshotAsker, SnapshotPolicy
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry

log = structlog.get_logger(__name__)

#: Time between two clean-ups by age, in rounds, and between two looks at the size, in seconds: a round.
EXPIRE_ROUNDS = 20
ROUND_SECONDS = 30.0
#: Between two checkpoints, in seconds: as much of what was stored is only in the log, at most.
CHECKPOINT_SECONDS = 10.0
#: Analysis rests for this many times what it took of a CPU, so that the collector is there for others too, but no
#: longer than the other, in seconds. How long it took says little: on a busy host most of that is waiting for a CPU.
ANALYSIS_SHARE = 5.0
LONGEST_REST_SECONDS = 60.0
HOUR_NS = 3_600_000_000_000
#: Nothing is older.
LONGEST_NS = 2**62
MIB = 1 << 20
#: A store that is too large keeps this part of the time that it kept, again and again, and never less than the other.
SHRINK_BY = 0.75
LEAST_SHARE = 0.01


class Routine:
    """Runs until cancelled. `config` may be replaced while it does."""

    def __init__(
        self,
        config: CollectorConfig,
        store: Store,
        worker: Worker,
        analyst: Analyst,
        telemetry: Telemetry,
        *,
        asker: SnapshotAsker,
        expiring: Worker,
        on_analysed: Callable[[], None] = lambda: None,
    ) -> None:
        self.config = config
        self._store = store
        self._worker = worker
        self._expiring = expiring
        self._analyst = analyst
        self._telemetry = telemetry
        self._asker = asker
        self._policy = SnapshotPolicy()
        self._forget_before = 0
        self._on_analysed = on_analysed

    async def analyse(self) -> None:
        """Judges every site, rests, and begins again."""
        while True:
            cpu_began = await self._worker.run(time.thread_time)
            with self._goes_on("analysis"):
                self._asker.ask(await self._worker.run(self._analyse))
            await asyncio.sleep(self._rest_seconds(await self._worker.run(time.thread_time) - cpu_began))

    def _rest_seconds(self, took: float) -> float:
        """How long to rest after a round that took so many CPU seconds."""
        rest = max(self.config.analysis_interval_seconds, min(ANALYSIS_SHARE * took, LONGEST_REST_SECONDS))
        self._analyst.freshness.rest_seconds = rest
        return rest

    def _analyse(self) -> list[Due]:
        """Judges, and says of which processes snapshots are due."""
        self._analyst.forget(self._forget_before)
        self._analyst.run()
        self._on_analysed()
        suspected = self._analyst.beginning(self._policy.rested) if self.config.snapshots_on_suspicion else []
        every_s, profiles_s = self.config.finding_snapshot_seconds, self.config.profiles_seconds
        running = self._running() if profiles_s else ()
        return self._policy.due(suspected, self._analyst.open(), every_s, running=running, profiles_s=profiles_s)

    def _running(self) -> list[Place]:
        return [(one.host, one.process.key) for one in self._store.running().values() if not one.process.sums]

    async def expire(self) -> None:
        """Deletes what is too old or too much, rests, and begins again."""
        for number in itertools.count():
            is_due = number % EXPIRE_ROUNDS == 0
            if is_due:
                with self._goes_on("retention"):
                    await self._expiring.run(self._expire, LONGEST_NS)
            with self._goes_on("retention"):
                await self._expiring.run(self.shrink)
            if is_due or self._telemetry.running.is_doubtful:
                with self._goes_on("retention"):
                    await self._expiring.run(self._keep_running)
            await asyncio.sleep(ROUND_SECONDS)

    async def checkpoint(self, writing: Worker) -> None:
        """Moves what is in the log into the store, rests, and begins again. The analysis may take long: it is no part
        of its turn."""
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            with self._goes_on("checkpoint"):
                await writing.run(self._store.checkpoint)

    @contextmanager
    def _goes_on(self, work: str) -> Iterator[None]:
        """Whatever one round fails for is said and counted, and the next one has its turn."""
        try:
            yield
        except (StoreError, DiskFullError) as error:
            self._telemetry.routine_failed(work)
            log.error("routine work failed", work=work, reason=str(error))  # noqa: TRY400 - the reason says it all
        except Exception:
            self._telemetry.routine_failed(work)
            log.exception("routine work failed unexpectedly", work=work)

    def _expire(self, most_ns: int) -> None:
        """Of what is older than so much only the newest totals stay."""
        now, config = steady_unix_nano(), self.config
        hours_old = config.retention_hours, 24 * config.keep_minutes_days, 24 * config.keep_hours_days
        details, minutes, hours = (now - min(int(age * HOUR_NS), most_ns) for age in hours_old)
        self._store.expire(details, minutes, hours)
        self._forget_before = details
        self._telemetry.expired.inc()

    def _keep_running(self) -> None:
        """Forgets totals of processes that run no more, though no agent said so."""
        self._telemetry.running.begin_round()
        self._telemetry.running.keep(self._store.running().keys())

    def shrink(self) -> None:
        """Keeps less and less of the past until the store is small enough: totals of long ago go first."""
        most, least_ns = self.config.retention_mb * MIB, LEAST_SHARE * self.config.retention_hours * HOUR_NS
        age_ns = kept_ns = steady_unix_nano() - self._store.oldest()
        while self._store.size() > most and kept_ns > least_ns:
            kept_ns = int(kept_ns * SHRINK_BY)
            self._expire(kept_ns)
        if kept_ns < age_ns:
            log.warning(
                "the store is larger than retention_mb allows; older details were deleted before their time",
                kept_hours=round(kept_ns / HOUR_NS, 2),
                size_mb=self._store.size() >> 20,
            )
