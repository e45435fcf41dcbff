"""Detects when nothing happens, so that the agent may sleep until something does."""

import time

import numpy as np
from gosonde_common.values.levels import Level

from gosonde_agent.accounting.processes import Processes
from gosonde_agent.sources.protocol import Source

#: So long after the last event everything has been reported, also the shares of the last seconds.
QUIET_SECONDS = 6.0


class Quiet:
    """When something last happened: a hit of a probe, or what `happened` is called for."""

    def __init__(self, source: Source, processes: Processes) -> None:
        self._source = source
        self._processes = processes
        self._at = time.monotonic()
        self._slots = np.zeros(1, np.uint64)

    def happened(self) -> None:
        """Something has happened now."""
        self._at = time.monotonic()

    def look(self) -> None:
        """Looks whether there were hits since the last look: to be called before the counters are read."""
        slots = self._source.hit_slots()
        if not np.array_equal(slots, self._slots):
            self._slots = slots
            self.happened()

    @property
    def lasts(self) -> bool:
        """Whether nothing has happened for a while, as far as is known."""
        return time.monotonic() - self._at >= QUIET_SECONDS

    def begin(self) -> bool:
        """Whether the agent may sleep: then the next hit becomes an event that wakes it.

        What is not probed in full is read all the time. A hit before the kernel side was set to report the next one is
        found by looking once more; one after it is reported.
        """
        if not self.lasts or any(process.level is not Level.FULL for process in self._processes):
            return False
        self._source.report_next_hit()
        self.look()
        return self.lasts
