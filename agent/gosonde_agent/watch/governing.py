"""Keeps what the probes cost within the budget, and counts parks with what it leaves."""

import asyncio
from functools import partial

from gosonde_agent.host.desk import Desk
from gosonde_agent.host.threads import in_thread
from gosonde_agent.overhead.governor import TICK_SECONDS
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.running import LEAST_PAUSE_SECONDS, Running


async def govern(monitor: Monitor, running: Running) -> None:
    """Keeps what the probes cost within the budget."""
    while True:
        await running.awake.wait()
        await running.desk.do(monitor.costs.govern)
        await asyncio.sleep(TICK_SECONDS)


async def count_parks(monitor: Monitor, desk: Desk) -> None:
    """Counts parks in one file at a time, for a short while and in a thread, so that everything else goes on."""
    costs = monitor.costs
    while True:
        if (parking := await desk.do(costs.next_parking)) is None:
            await asyncio.sleep(max(await desk.do(costs.parking_due_in), LEAST_PAUSE_SECONDS))
            continue
        await in_thread(parking.window.run)
        await desk.do(partial(costs.take_parking, parking))
