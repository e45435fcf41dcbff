"""Looks at how many goroutines processes have of which memory alone shows that: some small reads each, now and then."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.host.descriptors import kept_at_most
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.memory.live import LiveCounter

log = structlog.get_logger(__name__)

#: Processes that are looked at: of each a file is open. Further ones are read in turn, as they were before.
MAX_COUNTERS = 128


@dataclass(slots=True)
class Look:
    """One look at some processes. `run` may be called from any thread; it raises nothing.

    Attributes:
        found: How many goroutines each has.
        failed: Those that cannot be counted any more, or not like this.
        current: Which is looked at now.
        is_given_up: What has not begun to be looked at is left out.
    """

    counters: Mapping[Image, LiveCounter]
    found: dict[Image, int] = field(default_factory=dict)
    failed: set[Image] = field(default_factory=set)
    cpu_seconds: float = 0.0
    current: Image | None = None
    is_given_up: bool = False

    def run(self) -> None:
        """Counts the goroutines of each once."""
        began = time.thread_time()
        for image, counter in self.counters.items():
            self.current = image  # before the question, so that whoever gives up knows what may still be read
            if self.is_given_up:
                break
            try:
                self.found[image] = counter.count()
            except GosondeError:
                self.failed.add(image)  # it has ended, most often
            except Exception:  # a fault of ours in reading what others control must not end the agent
                log.exception("goroutines could not be counted", pid=image.tgid)
                self.failed.add(image)
        self.current = None
        self.cpu_seconds = time.thread_time() - began


class Looks:
    """The looks at `processes`. One that holds a look up is left out for as long as it does."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._counters: dict[Image, LiveCounter] = {}
        self._held_up: list[Look] = []
        self._most = kept_at_most(MAX_COUNTERS)

    def wants(self, process: GoProcess) -> bool:
        """Whether what counts the goroutines of a process is to be kept when its memory is read next."""
        return _is_looked_at(process) and process.image not in self._counters and len(self._counters) < self._most

    def keep(self, image: Image, counter: LiveCounter) -> None:
        """Has a process be looked at from now on."""
        if image in self._counters:
            counter.close()
        else:
            self._counters[image] = counter

    def next(self) -> Look | None:
        """A look at all that need it; None when none does."""
        self._held_up = [look for look in self._held_up if look.current]
        busy = {look.current for look in self._held_up}
        wanted = {process.image for process in self._processes if _is_looked_at(process)}
        for image in self._counters.keys() - wanted - busy:
            self._counters.pop(image).close()
        counters = {image: counter for image, counter in self._counters.items() if image not in busy}
        return Look(counters) if counters else None

    def take(self, look: Look) -> Mapping[Image, int]:
        """What a look has found by now; it need not have ended."""
        look.is_given_up = True
        self._held_up.append(look)
        for image in look.failed & self._counters.keys():
            self._counters.pop(image).close()
        return dict(look.found)

    def close(self) -> None:
        """Nothing is looked at any more; no look is under way."""
        for counter in self._counters.values():
            counter.close()
        self._counters.clear()


def _is_looked_at(process: GoProcess) -> bool:
    return process.image is not None and not process.has_ended and process.level is not Level.FULL
