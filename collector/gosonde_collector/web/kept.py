"""Pages that many have open: when they all ask for one again at the same time, it is made once."""

import time
from collections.abc import Callable, Hashable
from typing import Final

from starlette.responses import Response

#: For how long an answer is kept, in seconds, and how many are.
KEPT_S: Final = 1.0
MOST_KEPT: Final = 64


class Kept:
    """To be used by one thread at a time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[Hashable, tuple[float, Response]] = {}

    def answer(self, key: Hashable, make: Callable[[], Response]) -> Response:
        """What was made for the key lately, else what `make` makes. The key has whatever the answer depends on."""
        now = self._now()
        self._kept = {other: kept for other, kept in self._kept.items() if now - kept[0] < KEPT_S}
        if key not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = now, _copy(make())
        return _copy(self._kept[key][1])


def _copy(answer: Response) -> Response:
    """With headers of its own: what compresses an answer on its way changes them."""
    copied = Response(answer.body, answer.status_code)
    copied.raw_headers = list(answer.raw_headers)
    return copied
