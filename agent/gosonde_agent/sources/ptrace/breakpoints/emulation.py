"""Does what a hidden instruction would have done to a thread that stands at it."""

import struct
from collections.abc import Callable

from gosonde_agent.sources.ptrace.breakpoints.points import ALWAYS, CALL, JUMP, Breakpoint
from gosonde_agent.sources.ptrace.calls import FLAGS, NAMES, PC, SP, Words

RBP = NAMES.index("rbp")
WORD = struct.Struct("<Q")
#: Bits of the flags.
CARRY, PARITY, ZERO, SIGN, OVERFLOW = 1 << 0, 1 << 2, 1 << 6, 1 << 7, 1 << 11
#: Writes bytes to an address; whether all were written.
Write = Callable[[int, bytes], bool]


def emulate(words: Words, point: Breakpoint, write: Write) -> bool:
    """Has the thread go on where it goes on, with pushed what the instruction pushes; False if there is no stack.

    The registers are changed only if it is done.
    """
    if point.kind == JUMP:
        jumps = point.condition == ALWAYS or holds(point.condition, words[FLAGS])
        words[PC] = point.target if jumps else point.after
        return True
    sp = words[SP] - WORD.size
    pushed, goes_on = (point.after, point.target) if point.kind == CALL else (words[RBP], point.after)
    if not write(sp, WORD.pack(pushed)):
        return False
    words[SP], words[PC] = sp, goes_on
    return True


def holds(condition: int, flags: int) -> bool:
    """Whether the processor would jump: `condition` as in the lowest bits of the instruction, the last one inverts."""
    less = bool(flags & SIGN) != bool(flags & OVERFLOW)
    found = (
        flags & OVERFLOW,
        flags & CARRY,
        flags & ZERO,
        flags & (CARRY | ZERO),
        flags & SIGN,
        flags & PARITY,
        less,
        less or flags & ZERO,
    )[condition >> 1]
    return bool(found) != bool(condition & 1)
