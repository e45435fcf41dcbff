"""When pages of one kind have something new to show: one look for all who watch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import structlog
from gosonde_common.errors import UnavailableError
from starlette.requests import Request
from starlette.responses import StreamingResponse

from gosonde_collector.web.gate import Gate

log = structlog.get_logger(__name__)

#: Time between two looks unless a page wants another, and until a watcher is sent a sign of life, in seconds.
LOOK_S: Final = 2.0
#: The same for pages that take long to make.
SELDOM_S: Final = 10.0
QUIET_S: Final = 15.0
#: Watchers at the same time.
MOST_WATCHERS: Final = 64

#: Unlike whatever is seen.
NOTHING: Final = object()

#: Gives that part of what is seen which a page shows.
Part = Callable[[Any], object]


class Changes:
    """Belongs to the page's event loop. `look` gives what is compared from one time to the next.

    Attributes:
        seen: What the last look gave; None before the first one.
        number: How often something has changed.
        watchers: How many watch now.
    """

    def __init__(self, look: Callable[[], Awaitable[object]], every_s: float = LOOK_S) -> None:
        self._look = look
        self._every_s = every_s
        self.seen: Any = None
        self._changed = asyncio.Event()
        self.number = 0
        self.watchers = 0

    async def run(self) -> None:
        """Looks again and again."""
        while True:
            try:
                seen = await self._look()
            except Exception:
                log.exception("the web page cannot look for changes")
            else:
                if seen != self.seen:
                    self.seen = seen
                    self.number += 1
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(self._every_s)

    def answer(self, gate: Gate, request: Request, part: Part | None = None) -> StreamingResponse:
        """Server-sent events, one at each change; of a part of what is seen only when that has changed.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
            UnavailableError: Too many watch.
        """
        gate.visitor(request)
        events = self.events(lambda: gate.may_go_on(request), part or (lambda _: self.number))
        return StreamingResponse(events, media_type="text/event-stream")

    def events(self, may_watch: Callable[[], bool], part: Part) -> AsyncIterator[str]:
        """Server-sent events until `may_watch` says no: `change` with the number, at once and at each change.

        Raises:
            UnavailableError: There are as many watchers as are allowed.
        """
        if self.watchers >= MOST_WATCHERS:
            raise UnavailableError(f"{MOST_WATCHERS} pages watch already; this one is not renewed by itself")
        return self._events(may_watch, part)

    async def _events(self, may_watch: Callable[[], bool], part: Part) -> AsyncIterator[str]:
        self.watchers += 1
        try:
            sent: object = NOTHING
            while may_watch():
                # What changes while an event is being sent is not missed.
                changed, now = self._changed, part(self.seen)
                if now != sent:
                    sent = now
                    yield f"event: change\ndata: {self.number}\n\n"
                try:
                    async with asyncio.timeout(QUIET_S):
                        await changed.wait()
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self.watchers -= 1
