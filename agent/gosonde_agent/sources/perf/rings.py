"""The rings in which the kernel hands over samples, one a CPU: taking out what is new, with bounds."""

import fcntl
import mmap
import os
from collections.abc import Mapping, Sequence

import numpy as np

from gosonde_agent.host.sampling_events import open_dummy
from gosonde_agent.model.errors import NotPermittedError

#: linux/perf_event.h: struct perf_event_mmap_page as 64-bit words: data_head, data_tail.
HEAD, TAIL = 1024 // 8, 1032 // 8
SET_OUTPUT = 0x2405
#: Of one ring, the largest that is allowed is taken: root may have all, others what kernel.perf_event_mlock_kb gives.
SIZES = (4 << 20, 1 << 20, 512 << 10, 128 << 10, 32 << 10)
#: Of all rings together.
MOST_BYTES = 256 << 20


class Ring:
    """The ring of the events of one CPU, whose size in bytes is a power of two.

    Raises:
        OSError: The kernel allows none of that size.
        NotPermittedError: It allows none at all.
    """

    def __init__(self, cpu: int, size: int) -> None:
        self._size = size
        self._event = open_dummy(cpu)
        try:
            self._map = mmap.mmap(self._event, mmap.PAGESIZE + size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except BaseException:
            os.close(self._event)
            raise
        self._words = np.frombuffer(self._map, np.uint64, mmap.PAGESIZE // 8)

    def share(self, event: int) -> None:
        """Has an event of the same CPU write into this ring."""
        fcntl.ioctl(event, SET_OUTPUT, self._event)

    def take(self) -> bytes:
        """What the kernel has written since the last call; nothing where it says that it was more than fits."""
        head, tail = int(self._words[HEAD]), int(self._words[TAIL])
        written = head - tail if 0 <= head - tail <= self._size else 0
        at = mmap.PAGESIZE + tail % self._size
        first = min(written, mmap.PAGESIZE + self._size - at)
        data = self._map[at : at + first] + self._map[mmap.PAGESIZE : mmap.PAGESIZE + written - first]
        self._words[TAIL] = head
        return data

    def close(self) -> None:
        """Unmaps it, once the events that write into it are closed."""
        del self._words
        self._map.close()
        os.close(self._event)


def rings_of(cpus: Sequence[int]) -> Mapping[int, Ring]:
    """A ring for each CPU, all of the largest size that the kernel allows for all of them.

    Raises:
        NotPermittedError: It allows none.
    """
    reason = "there are too many CPUs"
    for size in SIZES:
        if size * len(cpus) > MOST_BYTES:
            continue
        rings: dict[int, Ring] = {}
        try:
            for cpu in cpus:
                rings[cpu] = Ring(cpu, size)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            for ring in rings.values():
                ring.close()
            continue
        return rings
    raise NotPermittedError(
        f"no ring buffers for samples: {reason}; they must fit into kernel.perf_event_mlock_kb or the limit of locked "
        "memory"
    )
