"""Every goroutine of a process that is stopped for moments: those that ran have their stacks, from registers."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from gosonde_common.values.goroutines import Goroutine, GoroutineColumns, Kind, columns_of

from gosonde_agent.snapshots.busy_loops import Stop, busy_loops
from gosonde_agent.sources.memory.running import Running
from gosonde_agent.sources.memory.target import Target
from gosonde_agent.sources.ptrace import threads
from gosonde_agent.sources.ptrace.deadline import SECONDS
from gosonde_agent.sources.ptrace.errors import NotStoppedError
from gosonde_agent.sources.ptrace.stopping import while_stopped

#: How often a process is stopped to see what goes on and on, and the seconds between two stops.
STOPS, APART_SECONDS = 5, 0.1
#: How often more, one after the other, to see a goroutine that was where no rule holds.
MORE_STOPS = 3
#: How often each stop is tried where a deadline passes, and the seconds between two tries.
TRIES, REST_SECONDS = 20, 0.02
BUSY_LOOP = "busy-loop"
Judged = TypeVar("Judged", Goroutine, Kind)


class StoppedTarget:
    """A target whose goroutines are read as those of `Target`, but that is stopped first, for moments.

    Those that had a thread at the last stop come first, as they were then. The others are read while the process runs.

    Raises:
        NotStoppedError: It could not be stopped in TRIES tries.
        GosondeError: As `while_stopped`.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        stops = list(_stops(target))
        self._why = busy_loops(stops)
        last = _without_gaps(target, stops[-1])
        self._ran = {one.goid: self._judged(one.goid, one) for one, _ in last.running}

    def goroutines(self, *, max_stacks: int = 0) -> Iterator[Goroutine]:
        """See `Target.goroutines`."""
        yield from self._ran.values()
        for one in self._target.goroutines(max_stacks=max_stacks):
            if one.goid not in self._ran:
                yield self._judged(one.goid, one)

    def goroutine_columns(self, max_stacks: int = 0) -> Iterator[GoroutineColumns]:
        """See `Target.goroutine_columns`."""
        yield columns_of(list(self._ran.values()))
        for columns in self._target.goroutine_columns(max_stacks):
            yield self._others(columns)

    def _others(self, columns: GoroutineColumns) -> GoroutineColumns:
        kept = columns.kept([goid not in self._ran for goid in columns.goids])
        return replace(kept, kinds=list(map(self._judged, kept.goids, kept.kinds)))

    def _judged(self, goid: int, what: Judged) -> Judged:
        because = self._why.get(goid, "")
        return replace(what, cause=BUSY_LOOP, because=because) if because else what


def stopped_once(target: Target, seconds: float = SECONDS) -> Running:
    """What ran at one stop.

    Raises:
        GosondeError: As `while_stopped` and `running.take`.
    """
    return while_stopped(target.runtime.pid, lambda found, deadline: target.take(found, deadline.check), seconds)


def _stops(target: Target) -> Iterator[Stop]:
    target.take({}, _never)  # what the first time takes longer, it takes now
    for number in range(STOPS):
        if number:
            time.sleep(APART_SECONDS)
        yield _stop(target)


def _stop(target: Target) -> Stop:
    taken = _stopped(target)
    now = time.monotonic()
    times = threads.times(target.runtime.pid)
    return Stop(now, times, tuple(zip(target.ran(taken), taken.changes.tolist(), strict=True)))


def _without_gaps(target: Target, stop: Stop) -> Stop:
    """A stop, or a later one if at the first some goroutine was where no rule holds: a signal handler soon ends."""
    for _ in range(MORE_STOPS):
        if all(one.stack for one, _changes in stop.running):
            break
        stop = _stop(target)
    return stop


def _never() -> None:
    """A deadline that nobody waits for."""


def _stopped(target: Target) -> Running:
    for _ in range(TRIES - 1):
        try:
            return stopped_once(target)
        except NotStoppedError:
            time.sleep(REST_SECONDS)
    return stopped_once(target)
