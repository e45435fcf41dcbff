"""Reads the heap's figures of GC cycles that have just ended, of many processes at once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from gosonde_common.errors import GosondeError

from gosonde_agent.accounting.processes import Processes
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.memory.heap import CycleHeap, HeapReader

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class HeapReading:
    """One reading of some processes. `run` may be called from any thread; it raises nothing.

    Attributes:
        current: Which is read now.
        is_given_up: What has not begun to be read is not needed any more.
    """

    readers: Mapping[Image, HeapReader]
    found: dict[Image, CycleHeap] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    current: Image | None = None
    is_given_up: bool = False

    def run(self) -> None:
        """Reads each of them once."""
        began = time.thread_time()
        for image, reader in self.readers.items():
            if self.is_given_up:
                break
            self.current = image
            try:
                if heap := reader.read():
                    self.found[image] = heap
            except GosondeError:
                continue  # it has ended, most often
            except Exception:  # a fault of ours in reading what others control must not end the agent
                log.exception("heap figures could not be read", pid=image.tgid)
        self.cpu_seconds = time.thread_time() - began
        self.current = None


class Heaps:
    """The readings of `processes`. A process that holds one up is left out for as long as it does."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._held_up: list[HeapReading] = []

    def next(self, cycling: set[Image]) -> HeapReading | None:
        """The heaps of processes that had a GC cycle, to be read; None when none can be."""
        self._held_up = [reading for reading in self._held_up if reading.current]
        selected = cycling - {reading.current for reading in self._held_up}
        found = {p.image: p.heaps for p in self._processes if p.image in selected and p.heaps and not p.has_ended}
        return HeapReading({image: heaps for image, heaps in found.items() if image}) if found else None

    def take(self, reading: HeapReading) -> Mapping[Image, CycleHeap]:
        """What a reading has found by now; it need not have ended."""
        reading.is_given_up = True
        self._held_up.append(reading)
        return dict(reading.found)
