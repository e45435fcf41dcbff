"""How long a process may stand, and how long its threads are waited for."""

import time

from gosonde_agent.sources.ptrace.errors import NotStoppedError

#: From the first thread that stands on; and at least until then, while all of it runs on.
SECONDS, WAIT_SECONDS = 0.005, 0.1


class Deadline:
    """The end of a stop."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._seconds = seconds
        self._end = time.monotonic() + max(seconds, WAIT_SECONDS)
        self._held_since = 0.0

    def hold(self) -> None:
        """A thread stands now: from the first one on the process has no more than `seconds`."""
        if not self._held_since:
            self._held_since = time.monotonic()
            self._end = self._held_since + self._seconds

    @property
    def held_seconds(self) -> float:
        """How long the first thread stands already; 0 when none does."""
        return time.monotonic() - self._held_since if self._held_since else 0.0

    @property
    def left_seconds(self) -> float:
        """How long until it passes; 0 when it has."""
        return max(self._end - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() > self._end

    def check(self) -> None:
        """Raises NotStoppedError when it has passed."""
        if self.is_over:
            raise self.error("running goroutines were still being read")

    def error(self, why: str) -> NotStoppedError:
        """That it has passed, and what took so long."""
        held = f"was resumed after {1e3 * self._seconds:g} ms" if self._held_since else "did not stop"
        return NotStoppedError(f"process {self._pid} {held}: {why}")
