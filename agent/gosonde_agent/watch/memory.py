"""Reads the memory of processes beside everything else, each reading in a thread that nothing waits for without end."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Final

import structlog

from gosonde_agent.host.own_budget import LOOK_SECONDS
from gosonde_agent.host.threads import in_thread
from gosonde_agent.watch.heaps import HeapReading
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.running import LEAST_PAUSE_SECONDS, Running, first_of
from gosonde_agent.watch.visit import Scan

log = structlog.get_logger(__name__)

#: How long to wait at most when no process is due to be read.
READING_PAUSE_SECONDS = 1.0
#: How long an observation waits at most for what memory says of the heap.
HEAPS_SECONDS = 0.1
#: What waits when there is no room for more, as it is reported.
READINGS: Final = "readings"
LOOKS: Final = "looks"
#: How long the others wait for the reading of one process: it can hold up whoever reads its memory.
LONGEST_READING_SECONDS = 5.0


class Memory:
    """Readings of memory, as they fall due.

    Attributes:
        heap_seconds: CPU time that readings of heaps have taken.
    """

    def __init__(self, monitor: Monitor, running: Running) -> None:
        self.heap_seconds = 0.0
        self._monitor = monitor
        self._desk = running.desk
        self._running = running
        self._readings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Reads the memory of what is due, one process at a time."""
        readings = self._monitor.readings
        while True:
            await self._running.room_for(READINGS)
            budget = self._running.own_budget
            scan, due_in = await self._desk.do(partial(readings.next_or_due, budget.reading, budget.first_reading))
            if scan is None:
                await self._pause(max(due_in, LEAST_PAUSE_SECONDS))
                continue
            await self._unless_held_up(self._read(scan), LONGEST_READING_SECONDS)
            if not scan.has_ended:
                log.warning("reading memory is held up, and others are read meanwhile", pid=scan.image.tgid)

    async def look(self) -> None:
        """Looks now and then at how many goroutines processes have of which memory alone shows that."""
        readings = self._monitor.readings
        while True:
            await self._running.awake.wait()
            await self._running.room_for(LOOKS)
            cpu_seconds = 0.0
            if look := await self._desk.do(readings.next_look):
                await self._unless_held_up(in_thread(look.run), LOOK_SECONDS)
                await self._desk.do(partial(readings.take_look, look))
                cpu_seconds = look.cpu_seconds
                self._running.spending.waited(cpu_seconds)
            await asyncio.sleep(self._running.own_budget.pause_after_look(cpu_seconds))

    async def _read(self, scan: Scan) -> None:
        await in_thread(scan.run)
        self._running.spending.waited(scan.cpu_seconds)
        await self._desk.do(lambda: self._monitor.readings.take(scan))
        self._running.wake_unless(quiet=self._monitor.is_quiet)

    async def _unless_held_up(self, reading: Coroutine[None, None, None], seconds: float) -> None:
        """Waits for a reading, but no longer than that: it goes on, and is processed when it ends."""
        task = asyncio.create_task(reading)
        self._readings.add(task)
        task.add_done_callback(self._readings.discard)
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            task.result()

    async def _pause(self, due_in: float) -> None:
        """Until the next reading is due, as far as is known; a process that is found may be due at once."""
        if self._running.awake.is_set():
            await asyncio.sleep(min(due_in, READING_PAUSE_SECONDS))
        else:
            await first_of(self._running.awake, seconds=due_in)

    async def read_heaps(self) -> None:
        """Reads the heap's figures of GC cycles that have just ended, as far as that can be done soon."""
        if reading := await self._desk.do(self._monitor.readings.next_heaps):
            await self._unless_held_up(self._read_heaps(reading), HEAPS_SECONDS)
            await self._desk.do(partial(self._monitor.readings.take_heaps, reading))

    async def _read_heaps(self, reading: HeapReading) -> None:
        await in_thread(reading.run)
        self.heap_seconds += reading.cpu_seconds
