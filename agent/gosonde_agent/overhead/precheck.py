"""Tells from very little whether the counters of all sites must be read to keep the budget.

How often the probes of a process were hit has an upper bound that is had at once (`Source.hit_slots`). Where even as
many of the dearest hits would be within what a process may pay, it is within its budget.
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
    LOOK_SECONDS,
    TICK_SECONDS,
    Governor,
    least_allowed_ns,
)
from gosonde_agent.overhead.metering import WINDOW_SECONDS, Meter
from gosonde_agent.sources.counters import Image

#: How often it is looked whether what is not probed in full can step up.
STEP_UP_SECONDS = 2.0
#: Of the last looks: so many dear ones in a row are no burst, and one fewer are worth exact figures from then on.
STEADY_LOOKS = round(LOOK_SECONDS / TICK_SECONDS)


@dataclass(frozen=True, slots=True)
class _Look:
    """When (CLOCK_MONOTONIC seconds) how many hits there were, and the CPU times of those with many.

    Attributes:
        hits: Since the look before, by slot.
        allowed_ns: What any process may have paid since then.
    """

    at: float
    slots: npt.NDArray[np.uint64]
    hits: list[int]
    allowed_ns: float
    cpu_ns: dict[Image, int] = field(default_factory=dict)


class Glance:
    """Compares each look with the one LOOK_SECONDS before, and with the one WINDOW_SECONDS before.

    Attributes:
        steady: The processes that were dear at each of the last looks, as far as is known: theirs is no burst.
    """

    def __init__(self, processes: Processes, meter: Meter, governor: Governor) -> None:
        self._processes = processes
        self._meter = meter
        self._governor = governor
        self._looks = deque([_Look(time.monotonic(), np.zeros(1, np.uint64), [], 0.0)])
        self._read_at = time.monotonic()
        self.steady: frozenset[Image] = frozenset()

    def suffices(self, slots: npt.NDArray[np.uint64]) -> bool:
        """Whether no process can be over its budget, and none is due to be looked at, by the hits (u64[slots]) now."""
        now, before = time.monotonic(), self._looks[-1]
        look = _Look(now, slots, (slots - before.slots).tolist(), least_allowed_ns(now - before.at))
        self._drop_old(look.at)
        suspects = self._suspects(look)
        self._looks.append(look)
        if not suspects and (look.at - self._read_at < STEP_UP_SECONDS or not self._is_any_below_full()):
            return True
        self._read_at = look.at
        return False

    def _drop_old(self, now: float) -> None:
        """Keeps one look that is so old that no other is needed."""
        while len(self._looks) > 1 and self._looks[1].at <= now - WINDOW_SECONDS:
            self._looks.popleft()

    def _recent(self, now: float) -> list[_Look]:
        """The looks from LOOK_SECONDS ago on. One from before the agent slept would hide what happens now."""
        looks = [look for look in self._looks if look.at > now - 2 * LOOK_SECONDS] or [self._looks[-1]]
        first = max((number for number, look in enumerate(looks) if look.at <= now - LOOK_SECONDS), default=0)
        return looks[first:]

    def _is_any_below_full(self) -> bool:
        return any(process.level in (Level.CREATION, Level.MEMORY) for process in self._processes)

    def _suspects(self, look: _Look) -> bool:
        """Whether a process may have paid too much since LOOK_SECONDS ago, or is not known yet."""
        recent = self._recent(look.at)
        newest = [*self._looks, look][1:][-STEADY_LOOKS:]
        hits, lasting = (look.slots - recent[0].slots).tolist(), (look.slots - self._looks[0].slots).tolist()
        found, steady = False, set[Image]()
        for process in self._processes:
            if process.image is None or process.has_ended:
                continue
            account, slot = self._meter.account(process), process.image.tgid % len(hits)
            if account is None:
                found = True
                continue
            in_a_row = _dear_in_a_row(newest, slot, account.dearest)
            if in_a_row >= STEADY_LOOKS:
                steady.add(process.image)
            is_much = lasting[slot] * account.dearest > least_allowed_ns(WINDOW_SECONDS)
            if is_much or in_a_row >= STEADY_LOOKS - 1:
                found |= hits[slot] * account.dearest > self._allowed_ns(process, process.image, look, recent)
        self.steady = frozenset(steady)
        return found

    def _allowed_ns(self, process: GoProcess, image: Image, look: _Look, recent: list[_Look]) -> float:
        """What a process may pay, by the CPU time that it is known to have taken meanwhile; inf if it ended."""
        try:
            cpu_ns = look.cpu_ns[image] = procfs.cpu_ns(image.tgid)
        except NoSuchProcessError:
            return float("inf")
        before = next((earlier.cpu_ns[image] for earlier in recent if image in earlier.cpu_ns), cpu_ns)
        return self._governor.allowed_ns(process.description.exe, max(cpu_ns - before, 1), look.at - recent[0].at)


def _dear_in_a_row(looks: Sequence[_Look], slot: int, dearest: float) -> int:
    """At how many of the last looks, without one in between, a process may have paid more than any process may."""
    dear = (look.hits[slot] * dearest > look.allowed_ns for look in reversed(looks))
    return sum(1 for _ in takewhile(bool, dear))
