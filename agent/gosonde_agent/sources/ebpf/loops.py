"""Loops to calibrate with, as machine code of amd64: each runs an instruction that a probe is put on, and a walk.

The walk goes through so much code and data of its own that it fills the first cache, as a real program does between
two hits.
"""

import ctypes
import struct
from dataclasses import dataclass

#: mov rax, rdx; mov r10, rcx; mov rcx, rsi: rax and rcx are what the programs read.
ARGUMENTS = bytes.fromhex("4889d0 4989ca 4889f1")
#: Each line of code of the walk touches a line of data.
LINE_BYTES = 64
#: add r8d, [r10 + 4 bytes]; jmp, over the rest of the line, to the next
TOUCH, ONWARD = bytes.fromhex("450382"), b"\xe9" + struct.pack("<i", LINE_BYTES - 12)
#: dec rdi; jnz, 4 bytes how far
COUNT_DOWN = bytes.fromhex("48ffcf 0f85")
RETURN, NOTHING, TRAP = b"\xc3", b"\x90", b"\xcc"
#: f(hits, pc, g, data)
SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Loop:
    """A function of SIGNATURE that runs `probed` so often, and `undone` and the walk behind it."""

    probed: bytes
    undone: bytes = b""


PUSH = Loop(b"\x55", b"\x5d")  # push rbp; pop rbp
MOVE = Loop(bytes.fromhex("4d89c8"))  # mov r8, r9
#: No loop is probed twice: the kernel takes its time to close a probe.
EMULATED, STEPPED, EXITING, UNPROBED = range(4)
LOOPS = (PUSH, MOVE, PUSH, PUSH)


@dataclass(frozen=True, slots=True)
class Loops:
    """The code of LOOPS, one behind the other, whose walks have so many lines."""

    lines: int

    @property
    def data_bytes(self) -> int:
        """Of the memory that a walk touches."""
        return self.lines * LINE_BYTES

    @property
    def code(self) -> bytes:
        """All loops."""
        walk = b"".join(
            (TOUCH + struct.pack("<i", line * LINE_BYTES) + ONWARD).ljust(LINE_BYTES, TRAP)
            for line in range(self.lines)
        )
        return b"".join(self._code_of(loop, walk) for loop in LOOPS)

    def start(self, number: int) -> int:
        """Where in the code a loop begins."""
        return number * (self.lines + 2) * LINE_BYTES  # a line for what is probed, one for what makes it a loop

    def probed(self, number: int) -> int:
        """Where in the code the instruction of a loop is that a probe is put on."""
        return self.start(number) + len(ARGUMENTS)

    def _code_of(self, loop: Loop, walk: bytes) -> bytes:
        head = (ARGUMENTS + loop.probed + loop.undone).ljust(LINE_BYTES, NOTHING)
        body = head + walk + COUNT_DOWN
        back = struct.pack("<i", len(ARGUMENTS) - len(body) - 4)
        return (body + back + RETURN).ljust(self.start(1), TRAP)
