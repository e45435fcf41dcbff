"""What the agent and its helper take of a CPU together, and how much of their limit is left for what can wait."""

import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from gosonde_agent.host import procfs
from gosonde_agent.model.errors import NoSuchProcessError

#: Over so long the limit holds.
WINDOW_SECONDS = 60.0
#: What can wait fills so much of the limit: what has begun goes on, and all else is not even.
FILLED_PART = 0.95
#: Between two samples, at least.
SAMPLE_SECONDS = 1.0
#: What was taken in less is no rate; until then what nobody puts off is expected to take so much of the limit.
LEAST_SECONDS, UNKNOWN_PART = 5.0, 0.5
#: What can wait has so much of the limit, however much all else takes: else it would never be done.
LEAST_PART = 0.1
#: How soon it is looked again whether there is room.
ROOM_SECONDS = 0.5


class _Sample(NamedTuple):
    """Totals of CPU seconds at one moment, CLOCK_MONOTONIC seconds: of all, of what can wait, of observations."""

    at: float
    taken: float
    waiting: float
    observing: float


class Taken:
    """CPU seconds of this process and of another one, which is its helper, in all."""

    def __init__(self, helper: int) -> None:
        self._helper = helper
        self._newest = 0.0

    def __call__(self) -> float:
        """So much up to now."""
        with contextlib.suppress(NoSuchProcessError):  # it has just ended, and so will the agent
            self._newest = procfs.cpu_ns(self._helper) / 1e9
        return time.process_time() + self._newest


class Spending:
    """The CPU time of the last minute: of what can wait, of observations, and of all else, which nobody puts off.

    May be asked from any thread; the event loop alone adds to it.

    Attributes:
        put_off: Seconds for which there was no room for something that was due, by its name.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, taken: Callable[[], float] = time.process_time
    ) -> None:
        self._now, self._taken = now, taken
        self._waiting = self._observing = 0.0
        self._lock = Lock()
        self.put_off: defaultdict[str, float] = defaultdict(float)
        self.begin()

    def begin(self) -> None:
        """What was taken before counts no more."""
        with self._lock:
            self._samples = deque([self._sample()])

    def waited(self, cpu_seconds: float) -> None:
        """Something that can wait has taken so much."""
        self._waiting += cpu_seconds

    def observed(self, cpu_seconds: float) -> None:
        """An observation has taken so much."""
        self._observing += cpu_seconds

    def rest(self) -> float:
        """What all else takes, as a part of one core: checking what probes cost, events, planning, sending."""
        before, now = self._last_minute()
        others = now.taken - before.taken - (now.waiting - before.waiting) - (now.observing - before.observing)
        return max(others, 0.0) / max(now.at - before.at, LEAST_SECONDS)

    def share(self) -> float:
        """What all of it takes, as a part of one core."""
        before, now = self._last_minute()
        return (now.taken - before.taken) / max(now.at - before.at, LEAST_SECONDS)

    def room(self, limit: float) -> float:
        """CPU seconds that are left for what can wait, so that a minute keeps the limit, a part of one core.

        All else is expected to go on as it did.
        """
        before, now = self._last_minute()
        filled = limit * FILLED_PART
        left = max(filled - _others(before, now, filled), filled * LEAST_PART)
        return left * WINDOW_SECONDS - (now.waiting - before.waiting)

    def is_crowded(self, limit: float) -> bool:
        """Whether all else leaves what can wait no more than the least part of the limit."""
        filled = limit * FILLED_PART
        return _others(*self._last_minute(), filled) >= filled * (1 - LEAST_PART)

    def _sample(self) -> _Sample:
        return _Sample(self._now(), self._taken(), self._waiting, self._observing)

    def _last_minute(self) -> tuple[_Sample, _Sample]:
        """From a minute ago, or from the beginning on, until now."""
        with self._lock:
            now = self._sample()
            while len(self._samples) > 1 and self._samples[1].at <= now.at - WINDOW_SECONDS:
                self._samples.popleft()
            if now.at >= self._samples[-1].at + SAMPLE_SECONDS:
                self._samples.append(now)
            return self._samples[0], now


def _others(before: _Sample, now: _Sample, limit: float) -> float:
    """What all takes that cannot wait, as a part of one core; as long as that is not known, at least half the limit."""
    seconds = max(now.at - before.at, LEAST_SECONDS)
    taken = max(now.taken - before.taken - (now.waiting - before.waiting), 0.0) / seconds
    return max(taken, limit * UNKNOWN_PART) if seconds <= LEAST_SECONDS else taken
