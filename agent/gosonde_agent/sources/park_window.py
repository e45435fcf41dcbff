"""A short time in which the park probe is in a file: what was counted in it, and for how long the target paid.

The probe is open in no other place: changes of a file's other probes do not touch it, and it goes with the window.
"""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gosonde_common.errors import GosondeError

from gosonde_agent.host import procfs
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.window import Window

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
class ParkWindow(Window):
    """A window on the parks of a file.

    Attributes:
        open_probe: Puts the probe in; gives the descriptors that hold it, in the order of opening.
        read: All totals now.
        forget: Makes them begin at 0 again.
        pids: Processes whose CPU time is needed.
        sample: What it has shown; None before that, and when it was ended before anything could be counted.
    """

    open_probe: Callable[[], list[int]]
    read: Callable[[], Parks]
    forget: Callable[[], None]
    seconds: float
    pids: Collection[int]
    sample: ParkSample | None = field(default=None, init=False)

    def _measure(self) -> None:
        began = time.monotonic_ns()
        descriptors = self.open_probe()
        try:
            first = self._reading()
            self._stay(self.seconds)
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
