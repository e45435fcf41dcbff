"""Work that goes on beside the observations, and whose failure must not go unnoticed."""

import asyncio
from collections.abc import Coroutine, Iterable

from gosonde_common.errors import GosondeError


class Background:
    """Runs coroutines as tasks until `cancel`. When one fails, `stopping` is set: an agent that does half is worse than
    one that its supervisor restarts.
    """

    def __init__(self, works: Iterable[Coroutine[None, None, None]], stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._failure: BaseException | None = None
        self._tasks = [asyncio.create_task(work) for work in works]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()):
            self._failure = self._failure or failure
            self._stopping.set()

    async def cancel(self) -> None:
        """Ends all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raises GosondeError when one of them failed."""
        if self._failure:
            kind = type(self._failure).__name__
            raise GosondeError(f"a part of the agent failed, so it ended: {kind}: {self._failure}") from self._failure
