"""Searches the memory of processes that seem to leak, beside everything else, one scan at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from gosonde_common.errors import OverloadedError
from gosonde_common.values.observation import ProcessKey
from gosonde_common.values.reachability import SearchOutcome

from gosonde_agent.host.threads import in_thread
from gosonde_agent.watch.running import LEAST_PAUSE_SECONDS, Running
from gosonde_agent.watch.search import Search
from gosonde_agent.watch.searches import Searches

log = structlog.get_logger(__name__)

#: How often it is looked whether something has become suspicious.
LOOK_SECONDS = 0.5
#: How long other processes wait for a scan of one: it can hold up whoever reads its memory.
LONGEST_SCAN_SECONDS = 5.0
#: What waits when there is no room for more, as it is reported.
SEARCHES: Final = "searches"
#: How long who asks for a search waits for its end.
ANSWER_SECONDS = 75.0


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
            if not self._searches.is_asked:
                await self._running.room_for(SEARCHES)
            search, due_in = await desk.do(self._searches.next_or_due)
            if search is None:
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

    async def prove(self, key: ProcessKey) -> SearchOutcome:
        """What a search of a process finds that is made now, or was moments ago; it is reported when this returns.

        Raises:
            NotFoundError: The process is not counted, or has ended.
            OverloadedError: Searches have taken what they may, or this one has not ended in time.
        """
        desk = self._running.desk
        asked = await desk.do(lambda: self._searches.ask(key))
        give_up_at = time.monotonic() + ANSWER_SECONDS
        while (outcome := await desk.do(lambda: self._searches.answer(key, asked))) is None:
            if time.monotonic() >= give_up_at:
                raise OverloadedError(
                    f"the search of process {key.pid} has not ended in {ANSWER_SECONDS:g} s; its result will follow"
                )
            await asyncio.sleep(LOOK_SECONDS)
        await self._report()
        return outcome

    async def _scan(self, search: Search) -> None:
        before = search.cpu_seconds
        search.has_ended = False
        await in_thread(search.scan)
        taken = search.cpu_seconds - before
        self._running.spending.waited(taken)
        if await self._running.desk.do(lambda: self._searches.take(search, taken)):
            await self._report()
