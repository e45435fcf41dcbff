"""Measures again what a hit costs when the host was too busy for it at the start."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import structlog
from gosonde_common.errors import GosondeError

from gosonde_agent.host.threads import in_thread
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.running import Running

log = structlog.get_logger(__name__)

#: Until it is measured again; each pause is twice the one before, up to the longest.
FIRST_SECONDS, LONGEST_SECONDS = 60.0, 3_600.0


Measure = Callable[[], HitCosts]


class Recalibrating:
    """Replaces doubtful costs by better ones.

    Args:
        measure: Measures them, in any thread.
        keep: Keeps the better ones for the next start.
    """

    def __init__(self, monitor: Monitor, running: Running, measure: Measure, keep: Callable[[HitCosts], None]) -> None:
        self._monitor = monitor
        self._running = running
        self._measure = measure
        self._keep = keep

    async def run(self, costs: HitCosts) -> None:
        """Returns when they are certain enough; while nothing happens nothing is measured."""
        pause = FIRST_SECONDS
        while costs.is_doubtful:
            await asyncio.sleep(pause)
            await self._running.awake.wait()
            costs = await self.improved(costs)
            pause = min(2 * pause, LONGEST_SECONDS)

    async def improved(self, costs: HitCosts) -> HitCosts:
        """The better of these and of what is measured now, in force and kept."""
        try:
            found = costs.or_better(await in_thread(self._measure))
        except GosondeError as error:
            log.info("what a hit costs could not be measured again", reason=str(error))
            return costs
        if found is not costs:
            await self._running.desk.do(partial(self._monitor.costs.set_hit_costs, found))
            self._keep(found)
            log.info("what a hit costs was measured again", hit_costs=asdict(found))
        return found
