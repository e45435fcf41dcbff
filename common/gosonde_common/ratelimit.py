"""Bounds on how often something happens: log lines, and requests of one peer."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Keys that are remembered at a time; the one that rested longest is forgotten first.
MAX_KEYS = 10_000


class MessageLimiter:
    """Allows each message once in `seconds`."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._last: OrderedDict[str, float] = OrderedDict()

    def allows(self, message: str) -> bool:
        """Whether the message was not allowed within the last `seconds`."""
        now = time.monotonic()
        if now - self._last.get(message, -self._seconds) < self._seconds:
            return False
        self._last[message] = now
        self._last.move_to_end(message)
        if len(self._last) > MAX_KEYS:
            self._last.popitem(last=False)
        return True

    def forget(self, message: str) -> None:
        """Allows the message again."""
        self._last.pop(message, None)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Rates:
    """Each key may do something `per_second` times a second, and `burst` times at once after a rest."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Whether the key may do it now; if so, it counts."""
        return self.delay(key) == 0

    def delay(self, key: str) -> float:
        """Seconds until the key may do it; 0 says that it may now, and counts it."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_second
        bucket.tokens -= 1
        return 0.0
