"""How old the findings are, and from when on they say too little of what happens now."""

from collections.abc import Callable
from typing import Final

from gosonde_common.clock import boottime_ns

#: What an analysis may take beyond the rest before it, in seconds, until the findings count as stale.
PATIENCE_SECONDS: Final = 180.0


class Freshness:
    """One thread renews it; any may ask meanwhile.

    Attributes:
        rest_seconds: How long the analysis rests on purpose.
        has_ended: Whether any analysis has.
    """

    def __init__(self, clock: Callable[[], int] = boottime_ns) -> None:
        self._clock = clock
        self._since = clock()
        self.rest_seconds = 0.0
        self.has_ended = False

    def renew(self) -> None:
        """An analysis has ended."""
        self._since = self._clock()
        self.has_ended = True

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
