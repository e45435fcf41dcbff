"""Stops processes for snapshots, where that is allowed: goroutines that run have stacks then, from registers."""

import time
from collections.abc import Callable, Iterator

import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.values.goroutines import Goroutine

from gosonde_agent.sources.memory.running import Running
from gosonde_agent.sources.memory.target import Target
from gosonde_agent.sources.ptrace.held import APART_SECONDS
from gosonde_agent.sources.ptrace.stopping import Take

log = structlog.get_logger(__name__)

#: Has a process stand while something is taken of it: see `held.while_held`.
Stop = Callable[[int, Take[Running]], Running]


class Stopping:
    """Stops one process at a time with `stop`, once each APART_SECONDS at most; of use in any thread.

    Attributes:
        failed: How often a process could not be stopped, or not for long enough.
    """

    def __init__(self, stop: Stop, clock: Callable[[], float] = time.monotonic) -> None:
        self._stop = stop
        self._clock = clock
        self._not_before = float("-inf")
        self.failed = 0

    def goroutines(self, target: Target, *, max_stacks: int = 0) -> Iterator[Goroutine]:
        """Those of `Target.goroutines`, the ones that had a thread at the stop first, and as they were then."""
        ran = self._ran(target)
        yield from ran.values()
        for one in target.goroutines(max_stacks=max_stacks):
            if one.goid not in ran:
                yield one

    def _ran(self, target: Target) -> dict[int, Goroutine]:
        """What ran, by goid; nothing where the process was not stopped. Without a stack it says nothing new."""
        if self._clock() < self._not_before:
            return {}
        target.take({}, _never)  # what the first time takes longer, it takes now
        try:
            taken = self._stop(target.runtime.pid, lambda found, deadline: target.take(found, deadline.check))
        except GosondeError as error:
            self.failed += 1
            log.info("a process was not stopped for a snapshot", pid=target.runtime.pid, reason=str(error))
            return {}
        finally:
            self._not_before = self._clock() + APART_SECONDS
        return {one.goid: one for one in target.ran(taken) if one.stack}


def _never() -> None:
    """A deadline that nobody waits for."""
