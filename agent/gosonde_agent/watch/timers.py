"""Plans the readings of pending timers: all processes have equal parts of what these may take.

Where the search of a heap is what costs too much, the timers that need none are read in between.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog
from gosonde_common.values.observation import Observation, ProcessKey, TimerReading

from gosonde_agent.host import procfs
from gosonde_agent.host.own_budget import OwnBudget
from gosonde_agent.sources.memory.target import KnownBinaries
from gosonde_agent.watch.timer_visit import TimerVisit

log = structlog.get_logger(__name__)

#: Loss counter of readings that failed.
TIMERS_UNREAD: Final = "timers_unread"
#: Between two readings of one process, at least, in seconds; the same while nothing happens on the host, and as many
#: timers are pending as at the reading before; and after one that failed.
PERIOD, QUIET_PERIOD, FAILED_PERIOD = 15.0, 60.0, 600.0
#: Said where the heap was not searched.
NOT_NOW: Final = "its search takes longer than max_agent_cpu allows at each reading; the next is in {seconds:.0f} s"


@dataclass(slots=True)
class _Plan:
    """Of one process: when it is read next, and when its heap is searched next; CLOCK_MONOTONIC seconds."""

    due: float = 0.0
    search_due: float = 0.0


class Timers:
    """To be used by one thread; only `TimerVisit.run` runs in others.

    Args:
        budget: The limits in force.
        binaries: What is known of files by now.
        is_quiet: Whether nothing happens on the host.
        now: The clock: CLOCK_MONOTONIC seconds.
    """

    def __init__(
        self,
        budget: Callable[[], OwnBudget],
        binaries: Callable[[], KnownBinaries],
        is_quiet: Callable[[], bool],
        now: Callable[[], float],
    ) -> None:
        self._budget = budget
        self._binaries = binaries
        self._is_quiet = is_quiet
        self._now = now
        self._plans: dict[ProcessKey, _Plan] = {}
        self._rows: dict[ProcessKey, TimerReading] = {}
        self._unread = 0

    def note(self, observation: Observation) -> Observation:
        """Takes which processes are watched, and adds what is known of their timers."""
        watched = {
            one.key for one in observation.processes if not one.ended_unix_nano and not one.refusal and not one.sums
        }
        self._plans = {key: self._plans.get(key) or _Plan() for key in watched}
        self._rows = {key: row for key, row in self._rows.items() if key in watched}
        losses = {**observation.losses, TIMERS_UNREAD: self._unread}
        return replace(observation, losses=losses, timers=tuple(self._rows.values()))

    def next_or_due(self) -> tuple[TimerVisit | None, float]:
        """A reading to run now and then to give to `take`; without one, the seconds until one is due."""
        now = self._now()
        key = min(self._plans, key=lambda one: self._plans[one].due, default=None)
        if key is None or self._plans[key].due > now:
            return None, self._plans[key].due - now if key else float("inf")
        plan = self._plans[key]
        plan.due = float("inf")
        left = plan.search_due - now
        return TimerVisit(key, self._binaries(), NOT_NOW.format(seconds=left) if left > 0 else ""), 0.0

    def take(self, visit: TimerVisit) -> None:
        """Records a reading that has run."""
        plan, reading = self._plans.get(visit.key), visit.reading
        if plan is None or reading is None:
            return  # its process has ended meanwhile
        before = self._rows.get(visit.key)
        rests = self._is_quiet() and (before is None or before.pending == reading.pending)
        now, period = self._now(), QUIET_PERIOD if rests else PERIOD
        # A half each is for readings with a search and for those without.
        pause = 2 * visit.cpu_seconds * len(self._plans) / self._budget().timers
        if reading.unread:
            self._failed(visit, reading.unread)
            plan.due = now + max(FAILED_PERIOD, pause)
            return
        self._rows[visit.key] = reading
        if visit.no_search_because:
            plan.due = now + max(period, pause)
        else:
            plan.due, plan.search_due = now + period, now + pause

    def _failed(self, visit: TimerVisit, why: str) -> None:
        if procfs.has_ended(visit.key.pid, visit.key.start_ticks):
            return
        if visit.key not in self._rows:
            log.info("timers not read", pid=visit.key.pid, reason=why)
        self._unread += 1
        if visit.reading:
            self._rows[visit.key] = visit.reading
