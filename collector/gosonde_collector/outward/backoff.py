"""When to try again what failed."""

import random
import time
from collections.abc import Callable
from typing import Final

#: The first rest after a failure, and the longest, in seconds.
FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 60.0


class Backoff:
    """Rests that become longer from failure to failure; not all senders to one server come back at once.

    Attributes:
        until_s: When the rest ends, by the clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rest_s = 0.0
        self.until_s = 0.0

    @property
    def is_resting(self) -> bool:
        """Whether nothing is to be tried now."""
        return self._clock() < self.until_s

    def failed(self, retry_after_s: float) -> None:
        """Rests, as long as the receiver asks at least."""
        self._rest_s = min(max(2 * self._rest_s, FIRST_REST_S), LONGEST_REST_S)
        self.until_s = self._clock() + max(self._rest_s * random.uniform(0.75, 1.25), retry_after_s)  # noqa: S311

    def succeeded(self) -> None:
        """The next failure is a first one."""
        self._rest_s = 0.0
