"""Notes of each process whether something of it was lost, and so whether its totals are precise."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.sources.counters import Counters, Image

log = structlog.get_logger(__name__)


def note_precision(processes: Processes, counters: Counters, has_dropped: Callable[[Image], bool]) -> None:
    """Notes it of all processes.

    Args:
        has_dropped: Whether events of a process were lost.
    """
    for process in processes:
        with processes.alone(process.key.pid, "note precision"):
            if process.image is not None:
                _note(process, process.image, counters, has_dropped)


def _note(process: GoProcess, image: Image, counters: Counters, has_dropped: Callable[[Image], bool]) -> None:
    has_lost = counters.has_lost(image, process.since_ns) or has_dropped(image)
    if has_lost and not process.has_lost:
        process.has_lost = True
        log.warning("counts of a process were lost", pid=process.key.pid, exe=process.description.exe)
    if process.description.precise is not process.precise:
        process.description = replace(process.description, precise=process.precise)
