"""Tells from very little whether the counters of all sites must be read to keep the budget.

How often the probes of a process were hit has an upper bound that is had at once (`Source.hit_slots`). Where even as
many of the dearest hits would be within what a process may pay, it is within its budget.
"""

import time

import numpy as np
import numpy.typing as npt

from gosonde_agent.discovery import procfs
from gosonde_agent.errors import NoSuchProcessError
from gosonde_agent.governor import Governor, least_allowed_ns
from gosonde_agent.levels import Level
from gosonde_agent.metering import Meter
from gosonde_agent.processes import GoProcess, Processes
from gosonde_agent.sources import Image

#: How often it is looked whether what is not probed in full can step up.
STEP_UP_SECONDS = 2.0


class Glance:
    """Compares each look with the one before."""

    def __init__(self, processes: Processes, meter: Meter, governor: Governor) -> None:
        self._processes = processes
        self._meter = meter
        self._governor = governor
        self._at = self._read_at = time.monotonic()
        self._slots = np.zeros(1, np.uint64)
        self._cpu_ns: dict[Image, int] = {}

    def suffices(self, slots: npt.NDArray[np.uint64]) -> bool:
        """Whether no process can be over its budget, and none is due to be looked at, by the hits (u64[slots]) now."""
        now = time.monotonic()
        seconds, self._at = now - self._at, now
        added, self._slots = slots - self._slots, slots
        suspects = self._suspects(added, seconds)
        if not suspects and (now - self._read_at < STEP_UP_SECONDS or not self._is_any_below_full()):
            return True
        self._read_at = now
        return False

    def _is_any_below_full(self) -> bool:
        return any(process.level in (Level.CREATION, Level.MEMORY) for process in self._processes)

    def _suspects(self, added: npt.NDArray[np.uint64], seconds: float) -> bool:
        """Whether a process may have paid too much since the last look, or is not known yet."""
        before, self._cpu_ns = self._cpu_ns, {}
        hits = added.tolist()
        found = False
        for process in self._processes:
            if process.image is None or process.has_ended:
                continue
            account = self._meter.account(process)
            if account is None:
                found = True
            elif (most_ns := hits[process.image.tgid % len(hits)] * account.dearest) > least_allowed_ns(seconds):
                found |= most_ns > self._allowed_ns(process, process.image, before, seconds)
        return found

    def _allowed_ns(self, process: GoProcess, image: Image, before: dict[Image, int], seconds: float) -> float:
        """What a process may pay for its probes, by its CPU time since the look before; inf if it ended."""
        try:
            cpu_ns = self._cpu_ns[image] = procfs.cpu_ns(image.tgid)
        except NoSuchProcessError:
            return float("inf")
        return self._governor.allowed_ns(process.description.exe, max(cpu_ns - before.get(image, cpu_ns), 1), seconds)
