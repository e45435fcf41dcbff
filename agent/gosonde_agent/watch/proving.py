"""Searches the memory of processes that seem to leak, beside everything else, one scan at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gosonde_agent.host.threads import in_thread
from gosonde_agent.watch.running import LEAST_PAUSE_SECONDS, Running
from gosonde_agent.watch.search import Search
from gosonde_agent.watch.searches import Searches

log = structlog.get_logger(__name__)

#: How often it is looked whether something has become suspicious.
LOOK_SECONDS = 0.5
#: How long other processes wait for a scan of one: it can hold up whoever reads its memory.
LONGEST_SCAN_SECONDS = 5.0


class Proving:
    """Runs the searches as they fall due. What is proved is reported at once, by `report`."""

    def __init__(self, searches: Searches, running: Running, report: Callable[[], Awaitable[None]]) -> None:
        self._searches = searches
        self._running = running
        self._report = report
        self._scans: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """One scan after the other, without end."""
        desk = self._running.desk
        while True:
            search = await desk.do(self._searches.next)
            if search is None:
                due_in = await desk.do(self._searches.due_in)
                await asyncio.sleep(max(min(due_in, LOOK_SECONDS), LEAST_PAUSE_SECONDS))
                continue
            task = asyncio.create_task(self._scan(search))
            self._scans.add(task)
            task.add_done_callback(self._scans.discard)
            await asyncio.wait({task}, timeout=LONGEST_SCAN_SECONDS)
            if task.done():
                task.result()
            else:
                log.warning("a scan of memory is held up, and others are scanned meanwhile", pid=search.key.pid)

    async def _scan(self, search: Search) -> None:
        before = search.cpu_seconds
        search.has_ended = False
        await in_thread(search.scan)
        if await self._running.desk.do(lambda: self._searches.take(search, search.cpu_seconds - before)):
            await self._report()
