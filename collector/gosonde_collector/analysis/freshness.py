"""How old the findings are, and from when on they say too little of what happens now."""

import time
from collections.abc import Callable
from typing import Final

#: What an analysis may take beyond the rest before it, in seconds, until the findings count as stale.
PATIENCE_SECONDS: Final = 180.0


def _boottime_ns() -> int:
    """Goes on while the host is suspended, and knows no changes of the clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Freshness:
    """One thread renews it; any may ask meanwhile.

    Attributes:
        rest_seconds: How long the analysis rests on purpose.
    """

    def __init__(self, clock: Callable[[], int] = _boottime_ns) -> None:
        self._clock = clock
        self._since = clock()
        self.rest_seconds = 0.0

    def renew(self) -> None:
        """An analysis has ended."""
        self._since = self._clock()

    def age_ns(self) -> int:
        """Since the last analysis ended, or since the beginning while none has."""
        return max(self._clock() - self._since, 0)

    def is_stale(self) -> bool:
        """Whether the next analysis should have ended long ago."""
        return self.age_ns() > (self.rest_seconds + PATIENCE_SECONDS) * 1e9

    def reason(self) -> str:
        """Why findings are not to be relied on now; empty when they are."""
        if not self.is_stale():
            return ""
        return (
            f"findings are stale: no analysis has ended for {self.age_ns() // 1_000_000_000:,} s; the log may say why"
        )
