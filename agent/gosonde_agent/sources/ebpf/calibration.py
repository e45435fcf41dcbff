"""Measures what a hit of a probe costs here: the agent runs a few loops of its own and probes an instruction in each.

The loops lie in a memory file that the agent maps into itself. The programs that run are those that count goroutines,
so what is measured is a trap, the program and its map together. Between two hits a loop runs through code and data
of its own that fill the first cache, as a real program does: a hit then finds the kernel's part of it gone from
there, and leaves the loop with its own to fetch again. What a server pays beyond is a margin. See ADR 0096 and 0133.
"""

import contextlib
import ctypes
import mmap
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_agent.host import bpf
from gosonde_agent.host.caches import first_code_cache_bytes
from gosonde_agent.sources.ebpf.counting import ALWAYS, cookie
from gosonde_agent.sources.ebpf.loading import Probes
from gosonde_agent.sources.ebpf.loops import EMULATED, EXITING, LINE_BYTES, SIGNATURE, STEPPED, UNPROBED, Loops
from gosonde_agent.sources.ebpf.rounds import Estimate, Round, estimated
from gosonde_agent.sources.ebpf.uprobe import Place, placed
from gosonde_agent.sources.hit_costs import HitCosts

#: Hits of each of ROUNDS rounds. A stepped instruction costs ten times the others.
HITS, STEPPED_HITS = 200, 20
ROUNDS = 33
#: On a host that gives this thread little time there are fewer rounds, but not fewer than the least.
MOST_SECONDS, LEAST_ROUNDS = 0.5, 11
#: A turn in which the thread waited for longer than this part of it was disturbed.
WAITED_PART = 0.2
#: Servers under load pay 1.7 to 2.3 times of what the loops do: they use more caches between two hits (ADR 0133).
MARGIN = 2.0
#: A walk goes through as much code as the first cache holds, of these sizes; through as much where that is not known.
LEAST_WALK_BYTES, MOST_WALK_BYTES = 24 << 10, 128 << 10
USUAL_WALK_BYTES = 32 << 10
#: Any of them: they differ in the place of g.gopc alone.
EXIT_PROGRAM = "on_exited_288"
G_BYTES = 512

Memory = ctypes.Array[ctypes.c_char]
Release = Callable[[list[int]], None]


def measure(probes: Probes, release: Release) -> HitCosts:
    """What hits cost now; the figures of another machine where no loop is written for this processor.

    Args:
        probes: The loaded ones.
        release: Closes descriptors, the last one first, whenever it likes.

    Raises:
        GosondeError: No probe may be placed.
    """
    if platform.machine() != "x86_64":
        return HitCosts()
    loops = _loops()
    with _mapped(loops.code) as page:
        bench = _Bench(*page, loops, probes, release)
        created = "on_created"
        emulated = bench.cost(EMULATED, created, HITS)
        stepped = bench.cost(STEPPED, created, STEPPED_HITS)
        exiting = bench.cost(EXITING, EXIT_PROGRAM, HITS)
        found = (emulated, stepped, exiting)
        return HitCosts(
            emulated=MARGIN * emulated.ns,
            single_stepped=MARGIN * stepped.ns,
            exited=MARGIN * max(exiting.ns - emulated.ns, 0.0),
            measured=True,
            error=min(max(one.error_ns / max(one.ns, 1.0) for one in found), 1.0),
            disturbed=max(one.disturbed for one in found),
        )


def _loops() -> Loops:
    """Loops that fill the first cache of this host's processors."""
    size = first_code_cache_bytes() or USUAL_WALK_BYTES
    return Loops(min(max(size, LEAST_WALK_BYTES), MOST_WALK_BYTES) // LINE_BYTES)


@contextlib.contextmanager
def _mapped(code: bytes) -> Iterator[tuple[int, int]]:
    """(descriptor, address) of the code, readable and executable, never writable there."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    fd = os.memfd_create("gosonde-calibration", os.MFD_CLOEXEC)
    try:
        os.write(fd, code)
        address = libc.mmap(None, len(code), mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, fd, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise bpf.refusal("mapping a loop to calibrate with", ctypes.get_errno())
        try:
            yield fd, address
        finally:
            libc.munmap(address, len(code))
    finally:
        os.close(fd)


class _Turn(NamedTuple):
    """CPU time of the thread, and whether it was disturbed."""

    cpu_ns: int
    is_disturbed: bool


@dataclass(frozen=True, slots=True)
class _Bench:
    """The mapped loops, the memory that they read, the programs, and who closes probes."""

    fd: int
    address: int
    loops: Loops
    probes: Probes
    release: Release
    g: Memory = field(default_factory=lambda: ctypes.create_string_buffer(G_BYTES))

    def cost(self, loop: int, program: str, hits: int) -> Estimate:
        """Nanoseconds that a hit adds to the loop."""
        place = Place(self.fd, self.loops.probed(loop), os.getpid())
        descriptors = placed(self.probes, program, place, cookie(0, ALWAYS))
        data = ctypes.create_string_buffer(self.loops.data_bytes)
        try:
            self._turn(loop, hits, data)  # the first hit makes the map's element, the first walk touches each page
            self._turn(UNPROBED, hits, data)
            return estimated(list(self._rounds(loop, hits, data)))
        finally:
            self.release(descriptors)

    def _rounds(self, loop: int, hits: int, data: Memory) -> Iterator[Round]:
        end = time.monotonic() + MOST_SECONDS
        for number in range(ROUNDS):
            if number >= LEAST_ROUNDS and time.monotonic() > end:
                return
            probed, bare = self._turn(loop, hits, data), self._turn(UNPROBED, hits, data)
            yield Round(probed.cpu_ns / hits, bare.cpu_ns / hits, probed.is_disturbed or bare.is_disturbed)

    def _turn(self, loop: int, times: int, data: Memory) -> _Turn:
        """One turn of a loop."""
        function = SIGNATURE(self.address + self.loops.start(loop))
        switches, began, before = _switches(), time.monotonic_ns(), time.thread_time_ns()
        function(times, 0, ctypes.addressof(self.g), ctypes.addressof(data))
        cpu_ns = time.thread_time_ns() - before
        waited_ns = time.monotonic_ns() - began - cpu_ns
        return _Turn(cpu_ns, _switches() != switches or waited_ns > WAITED_PART * cpu_ns)


def _switches() -> int:
    """How often another thread was given the CPU of this one."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
