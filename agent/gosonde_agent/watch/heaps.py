"""Reads the heap's figures of GC cycles that have just ended, and the runtime's, of many processes at once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import GosondeError
from gosonde_common.values.runtime import RuntimeFigures

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.memory.figures import FiguresReader
from gosonde_agent.sources.memory.heap import CycleHeap, HeapReader
from gosonde_agent.sources.memory.reader import ProcessMemory

log = structlog.get_logger(__name__)

#: How old what the runtime of a process says of itself is at least when it is read again after a cycle.
FIGURES_SECONDS: Final = 10.0


@dataclass(slots=True)
class HeapReading:
    """One reading of some processes. `run` may be called from any thread; it raises nothing.

    Attributes:
        current: Which is read now.
        is_given_up: What has not begun to be read is not needed any more.
    """

    readers: Mapping[Image, tuple[HeapReader | None, FiguresReader | None]]
    found: dict[Image, CycleHeap] = field(default_factory=dict)
    figures: dict[Image, RuntimeFigures] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    current: Image | None = None
    is_given_up: bool = False

    def run(self) -> None:
        """Reads each of them once."""
        began = time.thread_time()
        for image in self.readers:
            if self.is_given_up:
                break
            self.current = image
            try:
                self._read(image)
            except GosondeError:
                continue  # it has ended, most often
            except Exception:  # a fault of ours in reading what others control must not end the agent
                log.exception("heap figures could not be read", pid=image.tgid)
        self.cpu_seconds = time.thread_time() - began
        self.current = None

    def _read(self, image: Image) -> None:
        heaps, figures = self.readers[image]
        with ProcessMemory(image.tgid) as memory:
            if heap := heaps.read(memory) if heaps else None:
                self.found[image] = heap
            if figures:
                self.figures[image] = figures.read(memory)


class Heaps:
    """The readings of `processes`. A process that holds one up is left out for as long as it does."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._held_up: list[HeapReading] = []

    def next(self, cycling: set[Image]) -> HeapReading | None:
        """The heaps of processes that had a GC cycle, to be read; None when none can be."""
        self._held_up = [reading for reading in self._held_up if reading.current]
        selected = cycling - {reading.current for reading in self._held_up}
        young = steady_unix_nano() - FIGURES_SECONDS * 1e9
        found = {
            process.image: (process.heaps, process.figures if _is_older(process, young) else None)
            for process in self._processes
            if process.image in selected and process.image and not process.has_ended
        }
        readers = {image: some for image, some in found.items() if any(some)}
        return HeapReading(readers) if readers else None

    def take(self, reading: HeapReading) -> Mapping[Image, CycleHeap]:
        """The heaps that a reading has found by now, which need not have ended; its figures stay with the processes."""
        reading.is_given_up = True
        self._held_up.append(reading)
        figures = dict(reading.figures)
        for process in self._processes:
            if process.image and process.image in figures:
                process.runtime_figures = figures[process.image]
        return dict(reading.found)


def _is_older(process: GoProcess, unix_nano: float) -> bool:
    return process.runtime_figures is None or process.runtime_figures.read_unix_nano <= unix_nano
