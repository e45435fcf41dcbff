"""A wall clock that never jumps: who sets the host's clock must not bend a curve, nor make everything look old."""

import time


def boottime_ns() -> int:
    """The time since boot: it goes on while the host is suspended, and knows no changes of the clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Nanoseconds since the Unix epoch, never falling.

    It begins with the wall clock, goes on with the time since boot, and follows the wall clock by at most one tenth of
    the time that went by.
    """

    def __init__(self) -> None:
        self._unix_nano = time.time_ns()
        self._boottime_ns = boottime_ns()

    def now(self) -> int:
        """The time."""
        elapsed = max(boottime_ns() - self._boottime_ns, 0)
        self._boottime_ns += elapsed
        self._unix_nano += elapsed
        most = elapsed // 10
        self._unix_nano += min(max(time.time_ns() - self._unix_nano, -most), most)
        return self._unix_nano


_STEADY = SteadyClock()


def steady_unix_nano() -> int:
    """The time by this process's one steady clock."""
    return _STEADY.now()
