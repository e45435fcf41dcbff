"""Which rule says where a goroutine was whose thread stands: its stack pointer decides."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.unwind import SP_WRITE
from gosonde_agent.sources.memory.layout import WORD, GoroutineLayout
from gosonde_agent.sources.registers import ThreadRegisters


@dataclass(frozen=True, slots=True)
class Place:
    """Where a goroutine was.

    Attributes:
        pc: The process's address; 0 where no rule says which.
        is_exact: That instruction was next; else it is where a call returns to.
    """

    pc: int
    sp: int
    is_exact: bool


UNKNOWN = Place(0, 0, is_exact=False)


@dataclass(frozen=True, slots=True)
class Machine:
    """Fields of a runtime.m, and the stacks of its g0 and gsignal: (lowest, highest) address."""

    g0: tuple[int, int]
    gsignal: tuple[int, int]
    vdso: tuple[int, int]
    registers: ThreadRegisters


def place(row: npt.NDArray[np.uint8], machine: Machine, at: GoroutineLayout) -> Place:
    """Where a goroutine was whose thread stands; UNKNOWN where no rule holds. The order of the rules matters.

    Args:
        row: uint8[span]: its header.
    """

    def field(offset: int) -> int:
        return int.from_bytes(row[offset : offset + WORD].tobytes(), "little")

    own = field(at.stack_lo), field(at.stack_hi)
    pc, sp, _ = machine.registers
    vdso_pc, vdso_sp = machine.vdso
    if vdso_sp and _lies_in(vdso_sp, machine.gsignal):
        return UNKNOWN
    if vdso_sp and _lies_in(vdso_sp, own):  # the runtime is reading the clock, on g0 without a word in g.sched
        return Place(vdso_pc, vdso_sp, is_exact=False)
    if _lies_in(sp, own):
        return Place(pc, sp, is_exact=True)
    if _lies_in(field(at.syscall_sp), own):  # in C code that it called
        return Place(field(at.syscall_pc), field(at.syscall_sp), is_exact=False)
    if _lies_in(sp, machine.g0) and _lies_in(field(at.sp), own):
        return Place(field(at.pc), field(at.sp), is_exact=False)
    return UNKNOWN  # above all in a signal handler: what g.sched holds is of an earlier time


def is_walkable(found: Place, pclntab: Pclntab, bias: int) -> bool:
    """Whether the stack pointer is the one that tables of the code know: not amid a function that switches stacks."""
    linked = found.pc - bias
    if not found.pc or linked < 0:
        return False
    details = pclntab.details_of(linked) if pclntab.function_of(linked) is not None else None
    return details is not None and not (found.is_exact and details.flag & SP_WRITE)


def _lies_in(address: int, stack: tuple[int, int]) -> bool:
    return stack[0] < address < stack[1] and address % WORD == 0
