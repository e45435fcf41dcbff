"""A short time in which the park probe is in a file: what was counted in it, and for how long the target paid.

The probe is open in no other place: changes of a file's other probes do not touch it, and it goes with the window.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gosonde_common.errors import GosondeError

from gosonde_agent.host import procfs
from gosonde_agent.sources.counters import Image

#: Totals by process image and code of the wait reason.
Parks: TypeAlias = Mapping[Image, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class ParkSample:
    """What a window has shown.

    Attributes:
        parks: Parks between the two readings.
        ended_ns: CLOCK_MONOTONIC of the second reading.
        ns: Between the readings, give or take `slack_ns`: reading takes time.
        open_ns: How long the target paid: from before the probe came until it was gone.
        cpu_ns: CPU time of processes between the readings, by pid; those that have ended are missing.
    """

    parks: Parks
    ended_ns: int
    ns: int
    slack_ns: int
    open_ns: int
    cpu_ns: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Reading:
    """Totals, and CLOCK_MONOTONIC before and after they were read."""

    before_ns: int
    after_ns: int
    parks: Parks
    cpu_ns: Mapping[int, int]

    @property
    def middle_ns(self) -> int:
        return (self.before_ns + self.after_ns) // 2


@dataclass(slots=True)
class ParkWindow:
    """One window, yet to be opened: `run` in any thread opens and closes it; `end` closes it before its time.

    Attributes:
        open_probe: Puts the probe in; gives the descriptors that hold it, in the order of opening.
        read: All totals now.
        forget: Makes them begin at 0 again.
        pids: Processes whose CPU time is needed.
        sample: What it has shown; None before that, and when it was ended before anything could be counted.
        failure: Why the probe could not be attached.
    """

    open_probe: Callable[[], list[int]]
    read: Callable[[], Parks]
    forget: Callable[[], None]
    seconds: float
    pids: Collection[int]
    sample: ParkSample | None = None
    failure: GosondeError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _has_begun: bool = False
    _ending: threading.Event = field(default_factory=threading.Event)
    _gone: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Opens the window and returns when the probe is gone; does nothing when it was ended already."""
        with self._lock:
            if self._ending.is_set():
                return
            self._has_begun = True
        try:
            self._measure()
        except GosondeError as error:
            self.failure = error
        finally:
            self._gone.set()

    def end(self) -> None:
        """Detaches the probe now, from another thread; `wait` returns when it is out."""
        with self._lock:
            self._ending.set()
            if not self._has_begun:
                self._gone.set()

    def wait(self) -> None:
        """Returns when the probe cannot be hit any more."""
        self._gone.wait()

    @property
    def is_closing(self) -> bool:
        """Whether it was ended and can still be hit."""
        return self._ending.is_set() and not self._gone.is_set()

    def _measure(self) -> None:
        began = time.monotonic_ns()
        descriptors = self.open_probe()
        try:
            first = self._reading()
            self._ending.wait(self.seconds)
            last = self._reading()
        finally:
            # Closing the event takes the breakpoint out, then waits; but only when the link is closed.
            closed = [_close(descriptor) for descriptor in reversed(descriptors)]
        self.sample = _sample(first, last, closed[0] - began)
        self.forget()

    def _reading(self) -> _Reading:
        before = time.monotonic_ns()
        parks = self.read()
        return _Reading(before, time.monotonic_ns(), parks, _cpu_times(self.pids))


def _close(descriptor: int) -> int:
    """Closes it, and returns when that was done."""
    with contextlib.suppress(OSError):
        os.close(descriptor)
    return time.monotonic_ns()


def _cpu_times(pids: Collection[int]) -> dict[int, int]:
    times = {}
    for pid in pids:
        with contextlib.suppress(GosondeError):
            times[pid] = procfs.cpu_ns(pid)
    return times


def _sample(first: _Reading, last: _Reading, open_ns: int) -> ParkSample:
    parks = {
        image: {reason: count - first.parks.get(image, {}).get(reason, 0) for reason, count in counts.items()}
        for image, counts in last.parks.items()
    }
    return ParkSample(
        {image: {reason: count for reason, count in counts.items() if count} for image, counts in parks.items()},
        last.middle_ns,
        last.middle_ns - first.middle_ns,
        (last.after_ns - last.before_ns + first.after_ns - first.before_ns) // 2,
        open_ns,
        {pid: ns - first.cpu_ns[pid] for pid, ns in last.cpu_ns.items() if pid in first.cpu_ns},
    )
