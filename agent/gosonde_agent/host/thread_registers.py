"""What the threads of a process have in their registers, as the kernel samples them, without a stop.

A thread that runs is sampled twice a millisecond, and whenever it leaves its CPU: from then on it has what it had then.
"""

import fcntl
import mmap
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gosonde_common.errors import GosondeError

from gosonde_agent.host import access

PROC = Path("/proc")
#: Threads of one process that are sampled, and the memory that each has for it: the newest samples are kept.
MAX_THREADS, RING = 256, 8 * mmap.PAGESIZE
#: Places of two registers of amd64 in a sample: the instruction for a system call copies the second into the first.
CX, IP = 2, 8
#: linux/perf_event.h: requests of ioctl, where the ring says how far it is written, and what a record begins with.
ENABLE, DISABLE, SET_OUTPUT = 0x2400, 0x2401, 0x2405
HEAD_AT = 1024
RECORD, SAMPLE, REGISTERS_AT = struct.Struct("<IHH"), 9, 24


class ThreadRegisters:
    """Samples the threads that a process has when this is made, from `enable` to `disable`."""

    def __init__(self, pid: int, stack: ExitStack) -> None:
        """Whatever it opens is closed by the stack."""
        self._pid = pid
        self._rings: dict[str, mmap.mmap] = {}
        self._events: list[int] = []
        for name in _threads(pid)[:MAX_THREADS]:
            try:
                self._open(name, stack)
            except (OSError, GosondeError):
                continue  # it has ended, or may not be sampled: `unseen` says so

    def _open(self, name: str, stack: ExitStack) -> None:
        clock = access.current().thread_event(self._pid, int(name), at_switches=False)
        stack.callback(os.close, clock)
        ring = stack.enter_context(mmap.mmap(clock, mmap.PAGESIZE + RING, mmap.MAP_SHARED, mmap.PROT_READ))
        switches = access.current().thread_event(self._pid, int(name), at_switches=True)
        stack.callback(os.close, switches)
        fcntl.ioctl(switches, SET_OUTPUT, clock)
        self._events += [clock, switches]
        self._rings[name] = ring

    @property
    def are_sampled(self) -> bool:
        """Whether the kernel allows it, for one thread at least."""
        return bool(self._rings)

    def enable(self) -> None:
        """Begins to sample."""
        for event in self._events:
            fcntl.ioctl(event, ENABLE, 0)

    def disable(self) -> None:
        """Ends it."""
        for event in self._events:
            fcntl.ioctl(event, DISABLE, 0)

    def unseen(self) -> list[str]:
        """The threads of the process that may have something in their registers, and of which there is no sample."""
        return [name for name in _threads(self._pid) if not self._has_sample(name) and not _sleeps(self._pid, name)]

    def _has_sample(self, name: str) -> bool:
        return name in self._rings and _head(self._rings[name]) != 0

    def words(self) -> npt.NDArray[np.uint64]:
        """uint64[n]: each word that a sample has, once. To be called when it is disabled."""
        found = [word for ring in self._rings.values() for word in _registers(ring)]
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *found]))


@contextmanager
def sampled(pid: int) -> Iterator[ThreadRegisters]:
    """Samples the threads of a process while the block lasts, as far as the kernel allows it."""
    with ExitStack() as stack:
        registers = ThreadRegisters(pid, stack)
        registers.enable()
        yield registers


def _head(ring: mmap.mmap) -> int:
    """How far the kernel has written: from 0 downwards, as a number of 64 bits."""
    return int(struct.unpack_from("<Q", ring, HEAD_AT)[0])


def _registers(ring: mmap.mmap) -> Iterator[npt.NDArray[np.uint64]]:
    """uint64[registers] of each sample, the newest first."""
    head = _head(ring)
    written, begin = min(RING, -head % (1 << 64)), head % RING
    data = ring[mmap.PAGESIZE :]
    data, at = (data[begin:] + data[:begin])[:written], 0
    while at + RECORD.size <= written:
        kind, _, size = RECORD.unpack_from(data, at)
        if size < RECORD.size or at + size > written:
            return  # the oldest one, which newer ones have overwritten
        if kind == SAMPLE and size > REGISTERS_AT:
            found = np.frombuffer(data, "<u8", (size - REGISTERS_AT) // 8, at + REGISTERS_AT).astype(np.uint64)
            if not _is_in_a_call(found):
                yield found
        at += size


def _is_in_a_call(registers: npt.NDArray[np.uint64]) -> bool:
    """Whether a sample is from within a system call: what compiled Go needs after it stands on the stack by then."""
    return platform.machine() == "x86_64" and bool(registers[CX] == registers[IP])


def _threads(pid: int) -> list[str]:
    try:
        return [folder.name for folder in (PROC / str(pid) / "task").iterdir()]
    except OSError:
        return []


def _sleeps(pid: int, name: str) -> bool:
    """Whether a thread sleeps, as it does in system calls alone, or has ended: nothing is in its registers only."""
    try:
        status = (PROC / str(pid) / "task" / name / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] in (["S"], ["Z"], ["X"])
