"""Whether a process ran between two moments: a scan of one that did not is as good as one of a stopped process."""

from dataclasses import dataclass
from pathlib import Path

#: Threads of one process that are looked at.
MAX_THREADS = 1 << 16
PROC = Path("/proc")
#: Sleeping, or waiting for a disk. One that is ready to run may have been stopped anywhere.
ASLEEP = frozenset({"S", "D"})


@dataclass(frozen=True, slots=True)
class Rest:
    """The threads of a process at one moment; two that are equal, and at rest, say that none of them ran between.

    Attributes:
        at_rest: All threads sleep in system calls.
        threads: By thread its schedstat: time on a processor, time it waited for one, how often it got one.
        places: (stack pointer, thread) of each that sleeps, by address.
    """

    at_rest: bool
    threads: tuple[tuple[str, str], ...]
    places: tuple[tuple[int, str], ...]

    def lasted_until(self, later: "Rest") -> bool:
        """Whether the process did not run from then until later."""
        return self.at_rest and later.at_rest and self.threads == later.threads


NO_REST = Rest(at_rest=False, threads=(), places=())


def rest_of(pid: int) -> Rest:
    """The threads of a process now; none is at rest of which that cannot be read."""
    folder = PROC / str(pid) / "task"
    try:
        threads = sorted(thread.name for thread in folder.iterdir())[:MAX_THREADS]
        found = [_thread(folder / thread) for thread in threads]
    except (OSError, ValueError, IndexError):
        return NO_REST
    return Rest(
        all(state in ASLEEP and place for state, _times, place in found) and len(threads) < MAX_THREADS,
        tuple((thread, times) for thread, (_state, times, _place) in zip(threads, found, strict=True)),
        tuple(sorted((place, thread) for thread, (_, _, place) in zip(threads, found, strict=True) if place)),
    )


def _thread(folder: Path) -> tuple[str, str, int]:
    """(state, schedstat, stack pointer or 0). The state is read between two readings of the times, which must agree."""
    times = (folder / "schedstat").read_text()
    place = (folder / "syscall").read_text().split()
    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
    same = times == (folder / "schedstat").read_text()
    return state if same else "R", times, int(place[-2], 16) if len(place) > 2 else 0
