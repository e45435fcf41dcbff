"""One thread in which everything of one kind happens, so that the event loop stays free whatever it takes."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from gosonde_agent.host.threads import Workers

Result = TypeVar("Result")

#: The agent is stuck when one thing takes longer: nothing that others do to it holds such a thread up for so long.
STUCK_SECONDS = 60.0


class Desk:
    """Does one thing after the other, in the order in which it is asked for."""

    def __init__(self, name: str) -> None:
        self._worker = Workers(name, 1)
        self._began = 0.0

    async def do(self, call: Callable[[], Result]) -> Result:
        """What a call returns or raises that is made in the thread."""
        return await asyncio.wrap_future(self._worker.submit(lambda: self._timed(call)))

    def _timed(self, call: Callable[[], Result]) -> Result:
        self._began = time.monotonic()
        try:
            return call()
        finally:
            self._began = 0.0

    def is_stuck(self) -> bool:
        """Whether the thread has been at one thing for too long."""
        return 0 < self._began < time.monotonic() - STUCK_SECONDS
