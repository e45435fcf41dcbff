"""One observation each interval, and one whenever somebody needs it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import structlog
from gosonde_common.values.observation import Observation

from gosonde_agent.host import own_budget
from gosonde_agent.host.own_budget import Smoothed, resident_bytes
from gosonde_agent.watch.audit import Audit
from gosonde_agent.watch.loading import Loading
from gosonde_agent.watch.memory import Memory
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.running import Running, first_of
from gosonde_agent.watch.searches import Searches
from gosonde_agent.watch.timers import Timers

log = structlog.get_logger(__name__)

#: How often it is reported that nothing happens.
HEARTBEAT_SECONDS = 10.0
#: Between two times that memory is released because there is too much of it.
RELEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where observations go.

    Attributes:
        report: Takes an observation; it has when `Observing.observe` returns.
        losses: What was lost on the way to the collector, by name.
        cpu_seconds: What keeping and sending have taken of a CPU.
    """

    report: Callable[[Observation], Awaitable[None]]
    losses: Callable[[], Mapping[str, int]]
    cpu_seconds: Callable[[], float]


class Observing:
    """Makes observations, and sleeps between them as long as nothing happens."""

    def __init__(
        self,
        monitor: Monitor,
        running: Running,
        loading: Loading,
        memory: Memory,
        outlet: Outlet,
        *,
        searches: Searches,
        timers: Timers,
        audit: Audit,
    ) -> None:
        self._monitor = monitor
        self._desk = running.desk
        self._running = running
        self._loading = loading
        self._memory = memory
        self._outlet = outlet
        self._searches = searches
        self._timers = timers
        self._audit = audit
        self._effort = Smoothed()
        self._release_at = 0.0
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """One observation each interval until the run stops, and a last one then.

        While nothing happens there is one now and then, and one as soon as something does.
        """
        while not self._running.stopping.is_set():
            await self._loading.handle_events()
            await self._memory.read_heaps()
            await self.observe()
            await self._desk.do(self._keep_memory)
            await self._rest()
        await self.observe()

    async def _rest(self) -> None:
        config, stopping, awake = self._running.config, self._running.stopping, self._running.awake
        budget, is_crowded = self._running.own_budget, self._running.is_crowded
        interval = budget.interval(config.interval_seconds, self._effort.seconds, is_crowded=is_crowded)
        if await self._desk.do(self._monitor.may_sleep):
            awake.clear()
            await first_of(stopping, awake, seconds=max(interval, HEARTBEAT_SECONDS))
        else:
            awake.set()
            await first_of(stopping, seconds=interval)

    async def observe(self) -> None:
        """Reports what is known now."""
        async with self._turn:
            observation = await self._desk.do(self._observed)
            self._running.spending.observed(self._effort.newest)
            self._loading.note_unknown()
            losses = {**observation.losses, **self._outlet.losses()}
            interval_ns = round(self._running.config.interval_seconds * 1e9)
            await self._outlet.report(replace(observation, losses=losses, interval_ns=interval_ns))

    def _observed(self) -> Observation:
        self._effort.begin()
        try:
            self._monitor.poll()
            return self._audit.added_to(self._timers.note(self._searches.note(self._monitor.observe())))
        finally:
            self._effort.end(beside=self._outlet.cpu_seconds() + self._memory.heap_seconds)

    def _keep_memory(self) -> None:
        """Releases what is not needed when the agent has more than it may."""
        if time.monotonic() >= self._release_at and self._running.own_budget.is_over_memory():
            self._release_at = time.monotonic() + RELEASE_SECONDS
            self._monitor.readings.forget_binaries()
            own_budget.release_memory()
            log.warning("the agent exceeded its memory limit and released memory", resident_bytes=resident_bytes())
