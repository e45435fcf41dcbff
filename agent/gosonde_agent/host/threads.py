"""Threads for what another program can hold up without end, such as reading its memory."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[[], Result]) -> Result:
    """What it returns, from a thread of its own: unlike one of an executor it does not hold up the agent's end.

    Raises:
        Exception: Whatever `work` raises.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Result] = loop.create_future()

    def report(outcome: Callable[[], None]) -> None:
        if not ended.done():
            outcome()

    def run() -> None:
        with contextlib.suppress(RuntimeError):  # of the loop, when the agent has ended meanwhile
            try:
                result = work()
            except Exception as error:
                loop.call_soon_threadsafe(report, lambda failure=error: ended.set_exception(failure))
            else:
                loop.call_soon_threadsafe(report, lambda: ended.set_result(result))

    threading.Thread(target=run, daemon=True).start()
    return await ended
