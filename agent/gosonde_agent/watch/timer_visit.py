"""One reading of the pending timers of a process."""

import time
from dataclasses import dataclass

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import GosondeError
from gosonde_common.values.observation import ProcessKey, TimerReading
from gosonde_common.values.timers import MAX_TIMER_GROUPS, PendingTimers

from gosonde_agent.sources.memory.target import KnownBinaries, opened
from gosonde_agent.sources.memory.timers.listing import read_timers

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TimerVisit:
    """One reading. `run` may be called from any thread; it raises nothing.

    Attributes:
        no_search_because: Why the heap is not searched; empty when it is.
        reading: What was found, or why nothing was.
        cpu_seconds: What it took.
        has_ended: Whether `run` has ended.
    """

    key: ProcessKey
    known: KnownBinaries
    no_search_because: str = ""
    reading: TimerReading | None = None
    cpu_seconds: float = 0.0
    has_ended: bool = False

    def run(self) -> None:
        """Reads them once."""
        began = time.thread_time()
        try:
            with opened(self.key.pid, self.known) as target:
                found = read_timers(target, no_search_because=self.no_search_because)
            self.reading = reported(self.key, steady_unix_nano(), found)
        except GosondeError as error:
            self._failed(str(error))
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("timers could not be read", pid=self.key.pid)
            self._failed(f"reading timers failed: {type(error).__name__}: {error}")
        self.cpu_seconds = time.thread_time() - began
        self.has_ended = True

    def _failed(self, why: str) -> None:
        self.reading = TimerReading(self.key, steady_unix_nano(), unread=why or "no reason is known")


def reported(key: ProcessKey, read_unix_nano: int, found: PendingTimers) -> TimerReading:
    """What is reported of a process: its largest groups, and the sum of all others."""
    groups, others = found.groups[:MAX_TIMER_GROUPS], found.groups[MAX_TIMER_GROUPS:]
    shown = PendingTimers(groups, found.changing, found.each_stands_for, found.unproved, found.heap_unread)
    return TimerReading(key, read_unix_nano, shown, sum(group.pending for group in others), len(others))
