"""What a scan may take. Beyond any of it the answer is "not decided", with the reason; never "leaked"."""

import time
from dataclasses import dataclass

from gosonde_common.errors import GosondeError


class NotDecidedError(GosondeError):
    """A scan was given up: the process is larger than the limits allow, or what was read is inconsistent."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one scan takes.

    Attributes:
        cpu_seconds: Of the thread that scans.
        seconds: By the clock: on a busy machine a scan is stretched.
        read_bytes: Of the process's memory, what is read twice counted twice.
        heap_bytes: Of address space, in arenas of 64 MiB; each page of 8 KiB takes 5 bytes here.
        spans: Of the heap; each takes some 60 bytes here.
        objects: That fit into those spans; each takes 2 bits here.
        stack_pointers: Words of the suspects' stacks that point into the heap; each takes 12 bytes here.
        levels: How many objects lie between a root and what a goroutine waits for, at most.
        front: Objects whose holders are looked for at a time.
        edges: Pointers between the objects that were looked at; each takes 16 bytes here.
        specials: Finalizers, cleanups and weak pointers.
    """

    cpu_seconds: float = 10.0
    seconds: float = 60.0
    read_bytes: int = 64 << 30
    goroutines: int = 2_000_000
    heap_bytes: int = 1 << 38
    spans: int = 2_000_000
    objects: int = 1 << 30
    stack_pointers: int = 16_000_000
    levels: int = 24
    front: int = 400_000
    edges: int = 8_000_000
    specials: int = 2_000_000


class Meter:
    """What one scan has taken so far."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.read = 0
        self._cpu, self._clock = time.thread_time(), time.monotonic()

    @property
    def cpu_seconds(self) -> float:
        """Of the thread that scans."""
        return time.thread_time() - self._cpu

    def take(self, count: int) -> None:
        """Notes that so many bytes are about to be read.

        Raises:
            NotDecidedError: They are too many, or time is up.
        """
        self.read += count
        self.bound("bytes of memory to read", self.read, self.limits.read_bytes)
        self.check_time()

    def check_time(self) -> None:
        """To be called in every loop whose length the process decides.

        Raises:
            NotDecidedError: Time is up.
        """
        if self.cpu_seconds > self.limits.cpu_seconds:
            raise NotDecidedError(f"the scan took more than {self.limits.cpu_seconds:g} s of CPU time")
        if time.monotonic() - self._clock > self.limits.seconds:
            raise NotDecidedError(f"the scan took longer than {self.limits.seconds:g} s")

    @staticmethod
    def bound(what: str, count: int, most: int) -> None:
        """Says that there are too many of something.

        Raises:
            NotDecidedError: There are.
        """
        if count > most:
            raise NotDecidedError(f"the process has too many {what}: {count}; the limit is {most}")
