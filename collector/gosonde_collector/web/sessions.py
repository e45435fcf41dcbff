"""Who has signed in: random numbers in memory, each for a token, for a while."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Sessions at a time; the one that rested longest ends first.
MOST_SESSIONS: Final = 1_000
#: A session ends when it was not used for so long, and so long after it began whatever happens, in seconds.
IDLE_S: Final = 3_600.0
LONGEST_S: Final = 8 * 3_600.0


@dataclass(slots=True)
class _Session:
    digest: str
    began: float
    used: float


class Sessions:
    """Sessions by their numbers. A restart of the collector ends all of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, digest: str) -> str:
        """The number of a new session of whoever has shown the token with this digest: 256 random bits as text."""
        number, now = secrets.token_urlsafe(32), self._clock()
        self._sessions[number] = _Session(digest, now, now)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return number

    def digest(self, number: str) -> str:
        """The digest of a session's token; "" when there is no such session. It is used by this."""
        session, now = self._sessions.get(number), self._clock()
        if session is None:
            return ""
        if now - session.used > IDLE_S or now - session.began > LONGEST_S:
            del self._sessions[number]
            return ""
        session.used = now
        self._sessions.move_to_end(number)
        return session.digest

    def end(self, number: str) -> None:
        """Ends a session, if there is one."""
        self._sessions.pop(number, None)
