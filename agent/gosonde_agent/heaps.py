"""Reads the heap's figures of GC cycles that have just ended, of many processes at once."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from gosonde.errors import GosondeError

from gosonde_agent.sources import Image
from gosonde_agent.sources.memory.heap import CycleHeap, HeapReader


@dataclass(slots=True)
class HeapReading:
    """One look at some processes. `run` may be called from any thread; it raises nothing."""

    readers: Mapping[Image, HeapReader]
    found: dict[Image, CycleHeap] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    def run(self) -> None:
        """Reads each of them once."""
        began = time.thread_time()
        for image, reader in self.readers.items():
            with contextlib.suppress(GosondeError):
                if heap := reader.read():
                    self.found[image] = heap
        self.cpu_seconds = time.thread_time() - began
