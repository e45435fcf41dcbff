"""Measures what a hit of a probe costs here: the agent runs a few loops of its own and probes an instruction in each.

The loops lie in a memory file that the agent maps into itself. The programs that run are those that count goroutines,
so what is measured is a trap, the program and its map together. ADR 0090 says what that leaves out.
"""

import contextlib
import ctypes
import mmap
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gosonde_agent.hit_costs import HitCosts
from gosonde_agent.sources import syscalls

#: Hits of each of ROUNDS rounds. A stepped instruction costs ten times the others.
HITS, STEPPED_HITS = 1_000, 100
ROUNDS = 3
#: An exit program's place of g.gopc: any that is loaded anyway.
EXIT_PROGRAM = "on_exited_288"
G_BYTES = 512
#: mov rax, rdx; mov rcx, rsi: the registers that the programs read.
ARGUMENTS = bytes.fromhex("4889d0 4889f1")
#: dec rdi, and a jump back while it is not 0; ret
COUNT_DOWN = bytes.fromhex("48ffcf")
LOOP_BYTES = 64

Release = Callable[[list[int]], None]


@dataclass(frozen=True, slots=True)
class _Loop:
    """A function f(hits, pc, g) that runs `probed` so often, and `undone` behind it."""

    probed: bytes
    undone: bytes = b""

    @property
    def code(self) -> bytes:
        body = ARGUMENTS + self.probed + self.undone + COUNT_DOWN
        return body + bytes((0x75, 0xFE - len(body) & 0xFF, 0xC3))


OPTIMIZED = _Loop(bytes.fromhex("0f1f440000"))  # a 5-byte nop
EMULATED = _Loop(b"\x55", b"\x5d")  # push rbp; pop rbp
STEPPED = _Loop(bytes.fromhex("4d89c8"))  # mov r8, r9
LOOPS = (OPTIMIZED, EMULATED, STEPPED)


def measure(function_fd: Callable[[str], int], release: Release) -> HitCosts:
    """What hits cost now; the figures of another machine where no loop is written for this processor.

    Args:
        function_fd: The descriptor of a loaded program.
        release: Closes descriptors, the last one first, whenever it likes.

    Raises:
        GosondeError: No probe may be placed.
    """
    if platform.machine() != "x86_64":
        return HitCosts()
    with _mapped() as page:
        bench = _Bench(*page, release)
        created = function_fd("on_created")
        emulated = bench.cost(EMULATED, created, HITS)
        return HitCosts(
            optimized=bench.cost(OPTIMIZED, created, HITS),
            emulated=emulated,
            single_stepped=bench.cost(STEPPED, created, STEPPED_HITS),
            exited=max(bench.cost(EMULATED, function_fd(EXIT_PROGRAM), HITS) - emulated, 0.0),
            measured=True,
        )


@contextlib.contextmanager
def _mapped() -> Iterator[tuple[str, int]]:
    """(path, address) of the loops, readable and executable, never writable there."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    size = os.sysconf("SC_PAGESIZE")
    fd = os.memfd_create("gosonde-calibration", os.MFD_CLOEXEC)
    try:
        os.write(fd, b"".join(loop.code.ljust(LOOP_BYTES, b"\xcc") for loop in LOOPS).ljust(size, b"\xcc"))
        address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, fd, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise syscalls.refusal("mapping a loop to calibrate with", ctypes.get_errno())
        try:
            yield f"/proc/self/fd/{fd}", address
        finally:
            libc.munmap(address, size)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Bench:
    """The mapped loops, and who closes probes."""

    path: str
    address: int
    release: Release

    def cost(self, loop: _Loop, program: int, hits: int) -> float:
        """Nanoseconds that a hit adds to the loop."""
        start = LOOPS.index(loop) * LOOP_BYTES
        function = ctypes.CFUNCTYPE(None, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p)(self.address + start)
        g = ctypes.create_string_buffer(G_BYTES)

        def nanoseconds() -> float:
            before = time.thread_time_ns()
            function(hits, 0, ctypes.addressof(g))
            return (time.thread_time_ns() - before) / hits

        unprobed = nanoseconds()
        descriptors = [syscalls.open_uprobe(self.path, start + len(ARGUMENTS), os.getpid())]
        try:
            descriptors.append(syscalls.link(program, descriptors[0], 0))
            nanoseconds()  # the first hit makes the map's element
            return max(statistics.median(nanoseconds() for _ in range(ROUNDS)) - unprobed, 0.0)
        finally:
            self.release(descriptors)
