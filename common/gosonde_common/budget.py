"""A bound on what is in memory at a time, over all calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """So many bytes for all together; who finds none left waits."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def spent(self, size: int) -> AsyncIterator[None]:
        """Holds the bytes for the time of the block; something larger than all counts as all."""
        size = min(size, self._size)
        async with self._changed:
            await self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            self._left += size
            async with self._changed:
                self._changed.notify_all()
