"""Threads for what takes its time, or what another program can hold up without end, such as reading its memory.

None of them holds up the agent's end.
"""

import asyncio
import contextlib
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")

#: Calls of `within` that may be held up at the same time.
MOST_HELD_UP = 64
_held_up = threading.Semaphore(MOST_HELD_UP)


class Workers:
    """Up to `most` threads, which begin what they are given in its order, what is urgent before all else.

    Each begins when it is first needed.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._waiting: queue.PriorityQueue[tuple[bool, int, Future[Any], Callable[[], Any]]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._idle = threading.Semaphore(0)
        self._started = 0
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], Result], *, urgent: bool = False) -> Future[Result]:
        """Has a thread make a call."""
        future: Future[Result] = Future()
        self._waiting.put((not urgent, next(self._numbers), future, call))
        with self._lock:
            self._begin_if_needed()
        return future

    def _begin_if_needed(self) -> None:
        if not self._idle.acquire(blocking=False) and self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while True:
            _, _, future, call = self._waiting.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
            del future, call
            self._idle.release()


def within(seconds: float, call: Callable[[], Result]) -> Result | None:
    """What a call returns that is held up now and then; None when it takes longer. It raises nothing.

    A call that takes longer goes on; after MOST_HELD_UP of them there is no further one until one has ended.
    """
    if not _held_up.acquire(blocking=False):
        return None
    answers: queue.SimpleQueue[Result | None] = queue.SimpleQueue()

    def run() -> None:
        answer = None
        try:
            with contextlib.suppress(Exception):
                answer = call()
        finally:
            answers.put(answer)
            _held_up.release()

    threading.Thread(target=run, daemon=True).start()
    with contextlib.suppress(queue.Empty):
        return answers.get(timeout=seconds)
    return None


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
