"""Measures what a hit of a probe costs here: the agent runs a few loops of its own and probes an instruction in each.

The loops lie in a memory file that the agent maps into itself. The programs that run are those that count goroutines,
so what is measured is a trap, the program and its map together. Between two hits a loop runs through code and data
of its own that fill the first caches, as a real program does: a hit then finds the kernel's part of it gone from
there, and leaves the loop with its own to fetch again. What a server pays beyond is a margin. See ADR 0096.
"""

import contextlib
import ctypes
import mmap
import os
import platform
import resource
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_agent.host import bpf
from gosonde_agent.sources.ebpf.counting import ALWAYS, cookie
from gosonde_agent.sources.ebpf.loading import Probes
from gosonde_agent.sources.ebpf.rounds import Estimate, Round, estimated
from gosonde_agent.sources.ebpf.uprobe import Place, placed
from gosonde_agent.sources.hit_costs import HitCosts

#: Hits of each of ROUNDS rounds. A stepped instruction costs ten times the others.
HITS, STEPPED_HITS = 300, 20
ROUNDS = 33
#: On a host that gives this thread little time there are fewer rounds, but not fewer than the least.
MOST_SECONDS, LEAST_ROUNDS = 0.5, 11
#: A turn in which the thread waited for longer than this part of it was disturbed.
WAITED_PART = 0.2
#: Servers under load pay 1.4 to 1.8 times of what the loops do: they use more caches between two hits (ADR 0096).
MARGIN = 1.6
#: Any of them: they differ in the place of g.gopc alone.
EXIT_PROGRAM = "on_exited_288"
G_BYTES = 512
#: mov rax, rdx; mov r10, rcx; mov rcx, rsi: rax and rcx are what the programs read.
ARGUMENTS = bytes.fromhex("4889d0 4989ca 4889f1")
#: A loop walks over so many lines of code and of data: 24 KiB of each fill most of a first cache, and fit into it.
LINE_BYTES, LINES = 64, 384
#: add r8d, [r10 + 4 bytes]; jmp, over the rest of the line, to the next
TOUCH, ONWARD = bytes.fromhex("450382"), b"\xe9" + struct.pack("<i", LINE_BYTES - 12)
#: dec rdi; jnz, 4 bytes how far
COUNT_DOWN = bytes.fromhex("48ffcf 0f85")
RETURN, NOTHING, TRAP = b"\xc3", b"\x90", b"\xcc"
#: Of a loop: a line for what is probed, the walk, and a line for what makes it a loop.
LOOP_BYTES = (LINES + 2) * LINE_BYTES

SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)
Memory = ctypes.Array[ctypes.c_char]
Release = Callable[[list[int]], None]


@dataclass(frozen=True, slots=True)
class _Loop:
    """A function f(hits, pc, g, data) that runs `probed` so often, and `undone` and the walk behind it."""

    probed: bytes
    undone: bytes = b""

    @property
    def code(self) -> bytes:
        head = (ARGUMENTS + self.probed + self.undone).ljust(LINE_BYTES, NOTHING)
        body = head + WALK + COUNT_DOWN
        back = struct.pack("<i", len(ARGUMENTS) - len(body) - 4)
        return (body + back + RETURN).ljust(LOOP_BYTES, TRAP)


WALK = b"".join(
    (TOUCH + struct.pack("<i", line * LINE_BYTES) + ONWARD).ljust(LINE_BYTES, TRAP) for line in range(LINES)
)
PUSH = _Loop(b"\x55", b"\x5d")  # push rbp; pop rbp
MOVE = _Loop(bytes.fromhex("4d89c8"))  # mov r8, r9
#: No loop is probed twice: the kernel takes its time to close a probe.
EMULATED, STEPPED, EXITING, UNPROBED = range(4)
LOOPS = (PUSH, MOVE, PUSH, PUSH)


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
    with _mapped() as page:
        bench = _Bench(*page, probes, release)
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


@contextlib.contextmanager
def _mapped() -> Iterator[tuple[int, int]]:
    """(descriptor, address) of the loops, readable and executable, never writable there."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    code = b"".join(loop.code for loop in LOOPS)
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
    probes: Probes
    release: Release
    g: Memory = field(default_factory=lambda: ctypes.create_string_buffer(G_BYTES))
    data: Memory = field(default_factory=lambda: ctypes.create_string_buffer(LINES * LINE_BYTES))

    def cost(self, loop: int, program: str, hits: int) -> Estimate:
        """Nanoseconds that a hit adds to the loop."""
        place = loop * LOOP_BYTES + len(ARGUMENTS)
        descriptors = placed(self.probes, program, Place(self.fd, place, os.getpid()), cookie(0, ALWAYS))
        try:
            self._turn(loop, hits)  # the first hit makes the map's element, the first walk touches each page
            self._turn(UNPROBED, hits)
            return estimated(list(self._rounds(loop, hits)))
        finally:
            self.release(descriptors)

    def _rounds(self, loop: int, hits: int) -> Iterator[Round]:
        end = time.monotonic() + MOST_SECONDS
        for number in range(ROUNDS):
            if number >= LEAST_ROUNDS and time.monotonic() > end:
                return
            probed, bare = self._turn(loop, hits), self._turn(UNPROBED, hits)
            yield Round(probed.cpu_ns / hits, bare.cpu_ns / hits, probed.is_disturbed or bare.is_disturbed)

    def _turn(self, loop: int, times: int) -> _Turn:
        """One turn of a loop."""
        function = SIGNATURE(self.address + loop * LOOP_BYTES)
        switches, began, before = _switches(), time.monotonic_ns(), time.thread_time_ns()
        function(times, 0, ctypes.addressof(self.g), ctypes.addressof(self.data))
        cpu_ns = time.thread_time_ns() - before
        waited_ns = time.monotonic_ns() - began - cpu_ns
        return _Turn(cpu_ns, _switches() != switches or waited_ns > WAITED_PART * cpu_ns)


def _switches() -> int:
    """How often another thread was given the CPU of this one."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
