"""Threads for what another program can hold up without end, such as reading its memory."""

import asyncio
import contextlib
import threading
from collections.abc import Callable


async def in_thread(work: Callable[[], None]) -> None:
    """Runs it in a thread of its own, which does not hold up the end of the agent as one of an executor does.

    Raises:
        Exception: Whatever `work` raises.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def tell(error: Exception | None) -> None:
        if ended.cancelled():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def run() -> None:
        failure = None
        try:
            work()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the agent has ended meanwhile
            loop.call_soon_threadsafe(tell, failure)

    threading.Thread(target=run, daemon=True).start()
    await ended
