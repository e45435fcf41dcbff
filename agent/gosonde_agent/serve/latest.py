"""The newest observation, kept for local queries together with the last pauses and GC cycles."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from gosonde_common.errors import NotFoundError
from gosonde_common.values.observation import GcCycle, Observation, Pause

MAX_RECENT = 10_000


class Latest:
    """What local queries are answered from."""

    def __init__(self) -> None:
        self._observation = Observation(taken_unix_nano=0)
        self._recent: deque[Pause] = deque(maxlen=MAX_RECENT)
        self._cycles: deque[GcCycle] = deque(maxlen=MAX_RECENT)
        self._followers: list[Callable[[Observation], None]] = []

    def follow(self, take: Callable[[Observation], None]) -> None:
        """Has each observation given to somebody from now on."""
        self._followers.append(take)

    def update(self, observation: Observation) -> None:
        """Replaces the totals, and adds the pauses and cycles to the last ones."""
        self._observation = observation
        for take in self._followers:
            take(observation)
        self._recent.extend(observation.pauses)
        self._cycles.extend(observation.gc_cycles)

    def current(self, pid: int | None) -> Observation:
        """Everything of one process, or of all for None.

        Raises:
            NotFoundError: No such process is watched.
        """
        whole = replace(self._observation, pauses=tuple(self._recent), gc_cycles=tuple(self._cycles))
        return _only(whole, pid)


def _only(observation: Observation, pid: int | None) -> Observation:
    """What is of one process (None: of any that is still reported)."""
    processes = tuple(process for process in observation.processes if pid in (None, process.key.pid))
    if pid is not None and not processes:
        raise NotFoundError(
            f"the agent does not watch process {pid}: is it a Go program, and does the configuration select it?"
        )
    return observation.of(processes)
