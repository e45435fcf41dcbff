"""Keeps what the agent itself takes within limits: it reads memory more rarely and observes at longer intervals."""

import ctypes
import gc
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

#: Of the CPU limit: what reading memory takes at most, looks at totals in between, first visits to a process, and
#: observations.
READING_PART = 0.15
LOOKING_PART = 0.05
FIRST_READING_PART = 2.5
OBSERVING_PART = 0.4
#: Between two looks at the totals of processes, at least.
LOOK_SECONDS = 2.0
#: And searches for goroutines that can never run again; what they leave in twenty minutes, they may take at once.
SEARCHING_PART = 0.4
SEARCHING_SECONDS = 1_200.0
#: And readings of pending timers.
TIMERS_PART = 0.1
#: What the time between two observations stretches to at most; with what they take it stays below 15 s.
LONGEST_INTERVAL_SECONDS = 10.0
#: What these have at least of the limit, whatever else takes.
LEAST_LEFT = 0.5
MEBIBYTE = 1 << 20
#: An observation of many sites allocates and frees so many objects.
COLLECT_AFTER = 50_000
#: What is in it, or younger, was made since Python last looked at what is old.
MIDDLE_GENERATION = 1
PAGE_BYTES = os.sysconf("SC_PAGESIZE")
CODE = "r-xp"
#: Of mallopt (malloc.h).
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
#: What is as large goes back to the kernel when it is freed; in the heap, what lives longer would keep its pages.
MMAP_BYTES = 256 << 10
MADV_DONTNEED = 4
MADV_PAGEOUT = 21

_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class OwnBudget:
    """What the agent may take.

    Attributes:
        cpu: Part of one core, in the long run.
        memory_bytes: Resident.
    """

    cpu: float
    memory_bytes: int

    @property
    def reading(self) -> float:
        """Part of one core, in the long run, for readings of memory."""
        return self.cpu * READING_PART

    @property
    def first_reading(self) -> float:
        """The same for first readings of a process, which somebody waits for."""
        return self.cpu * FIRST_READING_PART

    def pause_after_look(self, cpu_seconds: float) -> float:
        """Seconds without a look at the totals of processes after one that took so much."""
        return max(LOOK_SECONDS, cpu_seconds / (self.cpu * LOOKING_PART))

    def interval(self, configured: float, cpu_seconds: float, *, is_crowded: bool) -> float:
        """Seconds between two observations when one takes so much: figures do not grow old, whatever that costs.

        Where the limit is nearly taken by what cannot wait, there are as few as there may be.
        """
        wanted = LONGEST_INTERVAL_SECONDS if is_crowded else cpu_seconds / (self.cpu * OBSERVING_PART)
        return max(configured, min(wanted, LONGEST_INTERVAL_SECONDS))

    @property
    def searching(self) -> float:
        """Part of one core, in the long run, that searches of memory may take."""
        return self.cpu * SEARCHING_PART

    @property
    def timers(self) -> float:
        """Part of one core, in the long run, that readings of pending timers may take."""
        return self.cpu * TIMERS_PART

    def less(self, part: float) -> "OwnBudget":
        """What is left for reading, observing and searching where all else takes such a part of one core."""
        return replace(self, cpu=max(self.cpu - part, self.cpu * LEAST_LEFT))

    def is_over_memory(self) -> bool:
        """Whether more is resident now than may be."""
        return resident_bytes() > self.memory_bytes


class Smoothed:
    """CPU seconds of something that is done again and again; one that was slow by chance does not count much.

    Attributes:
        newest: What the last one took.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.newest = 0.0
        self._began = 0.0
        self._beside_before = 0.0

    def begin(self) -> None:
        """It begins, in this thread."""
        self._began = time.thread_time()

    def end(self, beside: float = 0.0) -> None:
        """It has been done; `beside` is the total of what it caused to be done outside of `begin` and `end`."""
        self.newest = time.thread_time() - self._began + beside - self._beside_before
        self._beside_before = beside
        self.seconds += (self.newest - self.seconds) / 8


def allocate_sparingly() -> None:
    """Has all threads share one heap, and large arrays lie outside of it, however many of them came and went.

    The C library would make a heap for each thread, up to eight for each core, and move its threshold up to 32 MiB.
    """
    _libc.mallopt(M_ARENA_MAX, 1)
    _libc.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)


def collect_rarely() -> None:
    """What is there now stays, so Python need not search it for garbage again and again; nor after a few objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def collect_newest() -> None:
    """Frees what was needed a moment ago and refers to itself: Python looks for that rarely, and it can be much."""
    gc.collect(MIDDLE_GENERATION)


def release_memory() -> None:
    """Lets the kernel take back what starting needed and running does not: free heap, and pages of files.

    Pages that are needed after all come back from the page cache.
    """
    _libc.malloc_trim(0)
    let_go_of_code()  # also what other processes have mapped, which the kernel does not take back from them
    _advise(MADV_PAGEOUT)


def let_go_of_code() -> None:
    """Has no page of any library's code resident; the kernel still has them, and what runs next comes back at once."""
    _advise(MADV_DONTNEED, only=CODE)


def _advise(advice: int, only: str = "") -> None:
    """Advises the kernel on each mapping of a file, or about those with these permissions."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) > 5 and fields[5].startswith("/") and only in ("", fields[1]):
            start, end = (int(part, 16) for part in fields[0].split("-"))
            _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)


def resident_bytes() -> int:
    """What the agent has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
