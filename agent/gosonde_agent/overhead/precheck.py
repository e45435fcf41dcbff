"""Decides from very little data whether the counters of all sites must be read to keep the budget.

How often the probes of a process were hit has an upper bound that is had at once (`Source.hit_slots`). Where even as
many of the most expensive hits would be within what a process may pay, it is within its budget.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
import numpy.typing as npt
from gosonde_common.values.levels import Level

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.overhead.governor import (
    BURST_SECONDS,
    TICK_SECONDS,
    Governor,
    least_allowed_ns,
)
from gosonde_agent.overhead.metering import WINDOW_SECONDS, Meter
from gosonde_agent.sources.counters import Image

#: How often it is checked whether what is not probed in full can step up.
STEP_UP_SECONDS = 2.0
#: Of the last samples: so many expensive ones in a row are no burst; one fewer are worth exact figures from then on.
SUSTAINED_SAMPLES = round(BURST_SECONDS / TICK_SECONDS)


@dataclass(frozen=True, slots=True)
class _Sample:
    """When (CLOCK_MONOTONIC seconds) how many hits there were, and the CPU times of those with many.

    Attributes:
        hits: Since the sample before, by slot.
        allowed_ns: What any process may have paid since then.
    """

    at: float
    slots: npt.NDArray[np.uint64]
    hits: list[int]
    allowed_ns: float
    cpu_ns: dict[Image, int] = field(default_factory=dict)


class BudgetPrecheck:
    """Compares each sample with the one BURST_SECONDS before, and with the one WINDOW_SECONDS before.

    Attributes:
        steady: The processes that were expensive at each of the last samples, as far as is known: theirs is no burst.
    """

    def __init__(self, processes: Processes, meter: Meter, governor: Governor) -> None:
        self._processes = processes
        self._meter = meter
        self._governor = governor
        self._samples = deque([_Sample(time.monotonic(), np.zeros(1, np.uint64), [], 0.0)])
        self._read_at = time.monotonic()
        self.steady: frozenset[Image] = frozenset()

    def suffices(self, slots: npt.NDArray[np.uint64]) -> bool:
        """Whether no process can be over its budget, and none is due to be checked, by the hits (u64[slots]) now."""
        now, before = time.monotonic(), self._samples[-1]
        sample = _Sample(now, slots, (slots - before.slots).tolist(), least_allowed_ns(now - before.at))
        self._drop_old(sample.at)
        suspects = self._suspects(sample)
        self._samples.append(sample)
        if not suspects and (sample.at - self._read_at < STEP_UP_SECONDS or not self._is_any_below_full()):
            return True
        self._read_at = sample.at
        return False

    def _drop_old(self, now: float) -> None:
        """Keeps one sample that is so old that no other is needed."""
        while len(self._samples) > 1 and self._samples[1].at <= now - WINDOW_SECONDS:
            self._samples.popleft()

    def _recent(self, now: float) -> list[_Sample]:
        """The samples from BURST_SECONDS ago on. One from before the agent slept would hide what happens now."""
        samples = [sample for sample in self._samples if sample.at > now - 2 * BURST_SECONDS] or [self._samples[-1]]
        first = max((number for number, sample in enumerate(samples) if sample.at <= now - BURST_SECONDS), default=0)
        return samples[first:]

    def _is_any_below_full(self) -> bool:
        return any(process.level not in (Level.FULL, Level.OFF) for process in self._processes)

    def _suspects(self, sample: _Sample) -> bool:
        """Whether a process may have paid too much since BURST_SECONDS ago, or is not known yet."""
        recent = self._recent(sample.at)
        newest = [*self._samples, sample][1:][-SUSTAINED_SAMPLES:]
        hits, lasting = (sample.slots - recent[0].slots).tolist(), (sample.slots - self._samples[0].slots).tolist()
        found, steady, much = False, set[Image](), least_allowed_ns(WINDOW_SECONDS)
        for process in self._processes:
            if process.image is None or process.has_ended:
                continue
            with self._processes.alone(process.image.tgid, "check the budget"):
                account, slot = self._meter.account(process), process.image.tgid % len(hits)
                if account is None:
                    found = True
                    continue
                price = account.max_hit_ns
                if sample.hits[slot] * price <= sample.allowed_ns and lasting[slot] * price <= much:
                    continue  # most processes, most of the time
                in_a_row = _over_limit_in_a_row(newest, slot, price)
                if in_a_row >= SUSTAINED_SAMPLES:
                    steady.add(process.image)
                if lasting[slot] * price > much or in_a_row >= SUSTAINED_SAMPLES - 1:
                    found |= hits[slot] * price > self._allowed_ns(process, process.image, sample, recent)
        self.steady = frozenset(steady)
        return found

    def _allowed_ns(self, process: GoProcess, image: Image, sample: _Sample, recent: list[_Sample]) -> float:
        """What a process may pay, by the CPU time that it is known to have taken meanwhile; inf if it ended."""
        try:
            cpu_ns = sample.cpu_ns[image] = procfs.cpu_ns(image.tgid)
        except NoSuchProcessError:
            return float("inf")
        before = next((earlier.cpu_ns[image] for earlier in recent if image in earlier.cpu_ns), cpu_ns)
        return self._governor.allowed_ns(process.description.exe, max(cpu_ns - before, 1), sample.at - recent[0].at)


def _over_limit_in_a_row(samples: Sequence[_Sample], slot: int, max_hit_ns: float) -> int:
    """At how many of the last samples, without one in between, a process may have paid more than any process may."""
    over_limit = (sample.hits[slot] * max_hit_ns > sample.allowed_ns for sample in reversed(samples))
    return sum(1 for _ in takewhile(bool, over_limit))
