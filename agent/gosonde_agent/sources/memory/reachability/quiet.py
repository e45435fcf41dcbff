"""Whether a process ran between two moments: a scan of one that did not is as good as one of a stopped process.

All its threads must sleep in system calls. Then none holds a lock of the runtime, or waits for one: who holds one makes
no call that sleeps but to wait for another one. So no thread is in the midst of something that only its registers or
its own stack know of, as it could be where it is ready to run, or waits for a page.
"""

from dataclasses import dataclass
from pathlib import Path

#: Threads of one process that are looked at.
MAX_THREADS = 1 << 14
PROC = Path("/proc")
ASLEEP = "S"
#: What a kernel says that keeps no such times.
NO_TIMES = ["0", "0", "0"]


@dataclass(frozen=True, slots=True)
class Rest:
    """The threads of a process at one moment.

    Attributes:
        at_rest: All of them sleep in system calls.
        threads: (thread, time on a processor, time it waited for one, how often it got one) of each.
    """

    at_rest: bool
    threads: frozenset[tuple[str, ...]]

    def lasted_until(self, later: "Rest") -> bool:
        """Whether the process did not run from then until later."""
        return self.at_rest and later.at_rest and self.threads == later.threads


NO_REST = Rest(at_rest=False, threads=frozenset())


def rest_of(pid: int) -> Rest:
    """The threads of a process now; not at rest where that cannot be read."""
    try:
        folders = list((PROC / str(pid) / "task").iterdir())
        if not 0 < len(folders) <= MAX_THREADS:
            return NO_REST
        times = frozenset((folder.name, *_times(folder)) for folder in folders)
        asleep = all(_sleeps(folder) for folder in folders)
        same = times == frozenset((folder.name, *_times(folder)) for folder in folders)
    except (OSError, ValueError, IndexError):
        return NO_REST
    return Rest(asleep and same, times)


def _times(folder: Path) -> list[str]:
    """What schedstat says of a thread.

    Raises:
        ValueError: The kernel does not keep it.
    """
    times = (folder / "schedstat").read_text().split()
    if len(times) != 3 or times == NO_TIMES:
        raise ValueError(f"{folder} has no times")
    return times


def _sleeps(folder: Path) -> bool:
    """Whether a thread sleeps in a system call."""
    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
    call = (folder / "syscall").read_text().split()[0]
    return state == ASLEEP and call.isdigit()
