"""The thread that sends to others: an event loop of its own, so that nobody waits for what a receiver does."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Final

import structlog
from gosonde_common.clock import steady_unix_nano
from prometheus_client import CollectorRegistry

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import OVER
from gosonde_collector.config import CollectorConfig
from gosonde_collector.model.errors import StoreError
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.outward.alerts.alert import Alert, alert_of
from gosonde_collector.outward.alerts.delivery import Delivery
from gosonde_collector.outward.alerts.ledger import Wanted
from gosonde_collector.outward.alerts.ledgers import Ledgers
from gosonde_collector.outward.alerts.receiver import Receiver
from gosonde_collector.outward.counts import Counts
from gosonde_collector.outward.profiles.pushing import ProfileServer, Pushing
from gosonde_collector.outward.receivers import profile_server, receivers
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Reported

log = structlog.get_logger(__name__)

#: What receivers should know is this old at most, in seconds, beside the analysis that it is of.
RENEW_S: Final = 2.0
CLOSE_S: Final = 2.0
MUTED: Final = "muted"


class Plan:
    """What a configuration asks for. Raises UsageError: a file that it names cannot be used."""

    def __init__(self, config: CollectorConfig) -> None:
        self.receivers: Sequence[Receiver] = receivers(config)
        self.profiles: ProfileServer | None = profile_server(config)
        self.public_url = config.public_url


class Outward:
    """Runs from the constructor on, until it is closed. Any thread may call `follow`; no call waits for a receiver."""

    def __init__(self, plan: Plan, store: Store, analyst: Analyst, registry: CollectorRegistry) -> None:
        self._store = store
        self._analyst = analyst
        self._counts = Counts(registry)
        self._plan = plan
        self._wanted: Wanted | None = None
        self._profiles: Pushing | None = None
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._is_over = False
        self._thread = Thread(target=self._run, name="outward", daemon=True)
        self._thread.start()

    def follow(self, plan: Plan) -> None:
        """Sends by another plan from now on. What a receiver of both knows is kept."""
        self._call(self._follow, plan)

    def close(self) -> None:
        """Ends it; requests that are under way are cut off, and made again after the next start."""
        self._is_over = True
        self._call(self._changed.set)
        self._thread.join(CLOSE_S)

    def _call(self, call: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the thread failed, and has said so
            self._loop.call_soon_threadsafe(call, *arguments)

    def _follow(self, plan: Plan) -> None:
        self._plan = plan
        self._changed.set()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._until_closed())
        except Exception:
            log.exception("nothing is sent to others any more")

    async def _until_closed(self) -> None:
        ledgers = Ledgers(self._store, await self._reported())
        while not self._is_over:
            self._changed.clear()
            kept = ledgers.of(self._plan.receivers)
            deliveries = [
                Delivery(receiver, ledger, self._counts, ledgers.keep)
                for receiver, ledger in zip(self._plan.receivers, kept, strict=True)
            ]
            tasks = [asyncio.create_task(delivery.run(lambda: self._wanted)) for delivery in deliveries]
            tasks += [asyncio.create_task(self._renew())] if deliveries else []
            tasks += [asyncio.create_task(pushing.run()) for pushing in self._pushing()]
            await self._changed.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _pushing(self) -> list[Pushing]:
        """One that pushes to the same server goes on; what else waits for another is not pushed any more."""
        server, before = self._plan.profiles, self._profiles
        if server is None:
            self._profiles = None
        elif before is None or not before.is_same(server):
            self._profiles = Pushing(server, self._store, self._counts)
        return [self._profiles] if self._profiles else []

    async def _reported(self) -> list[Reported]:
        try:
            return await asyncio.to_thread(self._store.reported)
        except StoreError as error:
            log.warning("what receivers know cannot be read; they get it again", reason=str(error))
            return []

    async def _renew(self) -> None:
        """Says again and again what receivers should know, once the first analysis of this run has ended."""
        while True:
            if self._analyst.freshness.has_ended:
                self._wanted = wanted(self._analyst, self._plan.public_url)
            await asyncio.sleep(RENEW_S)


def wanted(analyst: Analyst, public_url: str) -> Wanted:
    """What the findings of the last analysis, and the mutes of now, make of alerts."""
    analysed = steady_unix_nano() - analyst.freshness.age_ns()
    parts = analyst.parts
    alerts: dict[str, Alert] = {}
    others: dict[str, str] = {}
    for found in analyst.findings(ProcessFilter()):
        if found.state in OVER:
            others[found.id] = found.state
        elif analyst.mutes.of(found):
            others[found.id] = MUTED
        else:
            alerts[found.id] = alert_of(found, public_url, parts.get(found.id, ""), analysed)
    return Wanted(alerts, others)
