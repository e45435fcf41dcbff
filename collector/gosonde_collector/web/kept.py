"""What was made a moment ago, so that many who ask for the same at the same time cost little more than one."""

import time
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from starlette.responses import Response

Made = TypeVar("Made")

#: For how long an answer is kept, in seconds, and how many are.
ANSWER_S: Final = 1.0
MOST_ANSWERS: Final = 64


class Kept(Generic[Made]):
    """At most `most` things, each for some seconds; to be used by one thread at a time. `now` is a clock in seconds."""

    def __init__(self, seconds: float, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._kept: dict[Hashable, tuple[float, Made]] = {}

    def of(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What was made for a key lately, or is made now. All that it depends on is in the key. Raises as `make`."""
        now = self._now()
        self._kept = {other: kept for other, kept in self._kept.items() if now - kept[0] < self._seconds}
        if key not in self._kept:
            made = make()
            if len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = now, made
        return self._kept[key][1]


class KeptAnswers(Kept[Response]):
    """Finished pages, each of which is given with headers of its own: what compresses it on its way changes them."""

    def __init__(self) -> None:
        super().__init__(ANSWER_S, MOST_ANSWERS)

    def of(self, key: Hashable, make: Callable[[], Response]) -> Response:
        """See Kept."""
        return _copy(super().of(key, lambda: _copy(make())))


def _copy(answer: Response) -> Response:
    copied = Response(answer.body, answer.status_code)
    copied.raw_headers = list(answer.raw_headers)
    return copied
