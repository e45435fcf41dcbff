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
        self._tasks: set[asyncio.Task[None]] = set()
        for work in works:
            self.add(work)

    def add(self, work: Coroutine[None, None, None]) -> None:
        """Runs one more."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failure = self._failure or failure
            self._stopping.set()

    async def cancel(self) -> None:
        """Ends all of them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def check(self) -> None:
        """Raises GosondeError when one of them failed."""
        if self._failure:
            kind = type(self._failure).__name__
            raise GosondeError(
                f"a part of the agent failed, so the agent ends: {kind}: {self._failure}"
            ) from self._failure
