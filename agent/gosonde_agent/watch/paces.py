"""Looks at what processes do before they have probes, for the level that these begin with.

Each is looked at twice, some 100 ms apart: the runtime's own total of goroutines, and the CPU time.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Step

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import procfs
from gosonde_agent.overhead.onset import Onset, Pace
from gosonde_agent.sources.memory.target import KnownBinaries, opened

#: How far apart two looks at a process are at least, and how old the first may be.
LEAST_SECONDS, MOST_SECONDS = 0.1, 10.0
#: A process that is younger is not looked at: its first goroutines would be gone before it has probes.
YOUNG_SECONDS = 1.0
#: Processes whose first look is kept.
MAX_LOOKS = 256


@dataclass(frozen=True, slots=True)
class _Look:
    """At one process: when (CLOCK_MONOTONIC seconds), and its totals then."""

    at: float
    start_ticks: int
    created: int
    cpu_ns: int


class Paces:
    """First looks at processes, until somebody asks for their first step. `binaries` says what is known of files.

    May be called from any thread.
    """

    def __init__(self, onset: Onset, binaries: Callable[[], KnownBinaries]) -> None:
        self._onset = onset
        self._binaries = binaries
        self._looks: dict[int, _Look] = {}

    def look(self, pids: Sequence[int]) -> None:
        """Looks at processes for the first time, unless that was done a short time ago."""
        self._looks = {pid: look for pid, look in self._looks.items() if _age(look) < MOST_SECONDS}
        for pid in pids:
            if pid not in self._looks and len(self._looks) < MAX_LOOKS and (look := self._looked(pid)):
                self._looks[pid] = look

    def first_step(self, binary: GoBinary, pids: Sequence[int]) -> Step | None:
        """The step to the level that the probes of a binary begin with, which these run; None for level full.

        Looks again at those that `look` has seen, not before LEAST_SECONDS have passed.
        """
        return self._onset.first_step(binary, list(self._taken(pids)))

    def _taken(self, pids: Sequence[int]) -> Iterator[Pace]:
        for pid in pids:
            if (first := self._looks.pop(pid, None)) is None:
                continue
            time.sleep(max(LEAST_SECONDS - _age(first), 0.0))
            last = self._looked(pid)
            with contextlib.suppress(GosondeError):
                if last and last.start_ticks == first.start_ticks and last.created >= first.created:
                    created, cpu_ns = last.created - first.created, max(last.cpu_ns - first.cpu_ns, 0)
                    yield Pace(procfs.program(pid).path, last.at - first.at, created, cpu_ns)

    def _looked(self, pid: int) -> _Look | None:
        """What its memory says now; None where that is not known, and where it is too young."""
        try:
            start = procfs.start_of(pid)
            if steady_unix_nano() - start.unix_nano < YOUNG_SECONDS * 1e9:
                return None
            with opened(pid, self._binaries()) as target:
                created, cpu_ns = target.totals().created, procfs.cpu_ns(pid)
                return _Look(time.monotonic(), start.ticks, created, cpu_ns)
        except GosondeError:
            return None


def _age(look: _Look) -> float:
    return time.monotonic() - look.at
