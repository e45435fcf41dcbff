"""Reads the pending timers of processes as they fall due, beside everything else."""

import asyncio
from typing import Final

import structlog

from gosonde_agent.host.threads import in_thread
from gosonde_agent.watch.running import LEAST_PAUSE_SECONDS, Running
from gosonde_agent.watch.timer_visit import TimerVisit
from gosonde_agent.watch.timers import Timers

log = structlog.get_logger(__name__)

#: How often it is looked whether a process has been found.
LOOK_SECONDS = 2.0
#: How long other processes wait for the reading of one: it can hold up whoever reads its memory.
LONGEST_READING_SECONDS = 10.0
#: What waits when there is no room for more, as it is reported.
TIMERS: Final = "timers"


class Timing:
    """Runs the readings, one after the other."""

    def __init__(self, timers: Timers, running: Running) -> None:
        self._timers = timers
        self._running = running
        self._readings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """One reading after the other, without end."""
        while True:
            await self._running.room_for(TIMERS)
            visit, due_in = await self._running.desk.do(self._timers.next_or_due)
            if visit is None:
                await asyncio.sleep(max(min(due_in, LOOK_SECONDS), LEAST_PAUSE_SECONDS))
                continue
            task = asyncio.create_task(self._read(visit))
            self._readings.add(task)
            task.add_done_callback(self._readings.discard)
            await asyncio.wait({task}, timeout=LONGEST_READING_SECONDS)
            if task.done():
                task.result()
            else:
                log.warning("reading timers is held up, and others are read meanwhile", pid=visit.key.pid)

    async def _read(self, visit: TimerVisit) -> None:
        await in_thread(visit.run)
        self._running.spending.waited(visit.cpu_seconds)
        await self._running.desk.do(lambda: self._timers.take(visit))
