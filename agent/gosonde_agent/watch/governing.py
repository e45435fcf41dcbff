"""Keeps what the probes cost within the budget, and opens windows with what it leaves."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from gosonde_agent.host.desk import Desk
from gosonde_agent.host.threads import in_thread
from gosonde_agent.overhead.governor import FIRST_TICK_SECONDS, TICK_SECONDS
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.running import LEAST_PAUSE_SECONDS, Running, first_of

#: What checking the costs takes of one core while many processes run: it is done more rarely then, up to this.
GOVERNING_PART = 0.05
LONGEST_TICK_SECONDS = 1.0
#: What windows on sites take of one core: with very many files at level sampled, each has them more rarely.
SAMPLING_PART = 0.01
#: What waits when there is no room for more, as it is reported.
WINDOWS: Final = "windows"
#: What checking those takes that were just found.
NEWCOMERS_PART = 0.02


async def govern(monitor: Monitor, running: Running) -> None:
    """Keeps what the probes cost within the budget; looks more often at those that were just found."""
    due = 0.0
    while True:
        await running.awake.wait()
        if time.monotonic() >= due:
            taken = await running.desk.do(partial(_timed, monitor.costs.govern))
            due = time.monotonic() + min(max(TICK_SECONDS, taken / GOVERNING_PART), LONGEST_TICK_SECONDS)
        running.arrived.clear()
        if monitor.costs.has_newcomers:
            taken = await running.desk.do(partial(_timed, monitor.costs.govern_newcomers))
            await asyncio.sleep(min(max(FIRST_TICK_SECONDS, taken / NEWCOMERS_PART), LONGEST_TICK_SECONDS))
        else:
            await first_of(running.arrived, seconds=max(due - time.monotonic(), 0.0))


def _timed(call: Callable[[], None]) -> float:
    """Makes a call; the CPU seconds that this took."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


async def sample_sites(monitor: Monitor, running: Running) -> None:
    """Counts the creations and exits of one file at level sampled at a time, for a short while and in a thread."""
    sites, desk = monitor.costs.sites, running.desk
    while True:
        await running.awake.wait()
        await running.room_for(WINDOWS)
        if (sampling := await desk.do(sites.next)) is None:
            await asyncio.sleep(max(await desk.do(sites.due_in), LEAST_PAUSE_SECONDS))
            continue
        taken = await in_thread(partial(_timed, sampling.window.run))
        running.spending.waited(taken)
        await desk.do(partial(sites.finish, sampling))
        await asyncio.sleep(taken / SAMPLING_PART)


async def count_parks(monitor: Monitor, desk: Desk) -> None:
    """Counts parks in one file at a time, for a short while and in a thread, so that everything else goes on."""
    costs = monitor.costs
    while True:
        if (parking := await desk.do(costs.next_parking)) is None:
            await asyncio.sleep(max(await desk.do(costs.parking_due_in), LEAST_PAUSE_SECONDS))
            continue
        await in_thread(parking.window.run)
        await desk.do(partial(costs.take_parking, parking))
