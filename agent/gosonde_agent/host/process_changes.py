"""Which processes begin, run another program, and end, found out by looking at /proc where the kernel reports nothing.

Who comes and goes between two looks is not seen, nor that a process runs the same file again.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from gosonde_common.errors import GosondeError

from gosonde_agent.host import procfs

#: A process that was there at the last look is looked at again at each of so many; a young one every time.
TURNS = 30
#: A shell forks first and runs the program afterwards.
YOUNG_SECONDS = 3.0


class Change(Enum):
    """What has happened to a process."""

    BEGAN = auto()
    ENDED = auto()


class Program(NamedTuple):
    """What a process runs: the clock ticks of its fork, and device and inode of its file, 0 where that is hidden."""

    start_ticks: int
    device: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class _Seen:
    program: Program
    at: float


def program_of(pid: int) -> Program | None:
    """What a process runs now; None when it has ended."""
    try:
        start = procfs.start_of(pid).ticks
    except GosondeError:
        return None
    try:
        status = procfs.program(pid).status
    except GosondeError:  # a kernel thread, or another user's
        return Program(start)
    return Program(start, status.device, status.inode)


class ProcessChanges:
    """The processes of this host, as they were at the last look.

    Args:
        pids: Which there are.
        program: What one of them runs.
        clock: Seconds.
    """

    def __init__(
        self,
        pids: Callable[[], Collection[int]] = procfs.pids,
        program: Callable[[int], Program | None] = program_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pids = pids
        self._program = program
        self._clock = clock
        self._turn = 0
        self._seen: dict[int, _Seen] = {}

    def look(self, watched: Collection[int]) -> list[tuple[int, Change]]:
        """What has changed since the last look, in order; `watched` are looked at each time.

        A process that runs another program than before has ended, and began again.
        """
        present, found = set(self._pids()), list[tuple[int, Change]]()
        for pid in self._seen.keys() - present:
            del self._seen[pid]
            found.append((pid, Change.ENDED))
        self._turn = (self._turn + 1) % TURNS
        for pid in sorted(present):
            if self._is_due(pid, watched):
                found += ((pid, change) for change in self._looked(pid))
        return found

    def _is_due(self, pid: int, watched: Collection[int]) -> bool:
        seen = self._seen.get(pid)
        if seen is None or pid in watched or pid % TURNS == self._turn:
            return True
        return self._clock() - seen.at < YOUNG_SECONDS

    def _looked(self, pid: int) -> list[Change]:
        before, program = self._seen.get(pid), self._program(pid)
        if program is None:
            self._seen.pop(pid, None)
            return [Change.ENDED] if before else []
        if before is not None and before.program == program:
            return []
        self._seen[pid] = _Seen(program, self._clock())
        return [Change.ENDED, Change.BEGAN] if before else [Change.BEGAN]
