"""Where a goroutine was is decided by rules in an order; where none holds, nothing is guessed."""

import struct
from dataclasses import fields, replace

import numpy as np
import pytest
from gosonde_agent.sources.memory.layout import GoroutineLayout
from gosonde_agent.sources.memory.running_rules import UNKNOWN, Machine, Place, place
from gosonde_agent.sources.registers import ThreadRegisters

#: Every field of a g has eight bytes.
AT = GoroutineLayout(**{field.name: 8 * number for number, field in enumerate(fields(GoroutineLayout))})
OWN, G0, GSIGNAL = (0x1000, 0x2000), (0x5000, 0x6000), (0x8000, 0x9000)
PC, SCHED_PC, CALL_PC, VDSO_PC = 0x401000, 0x402000, 0x403000, 0x404000
MACHINE = Machine(G0, GSIGNAL, vdso=(0, 0), registers=ThreadRegisters(PC, 0x1100, 0))


def goroutine(*, sched_sp: int = 0x1200, syscall_sp: int = 0) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """The header of one whose stack is OWN."""
    row = bytearray(8 * len(fields(GoroutineLayout)))
    known = {"stack_lo": OWN[0], "stack_hi": OWN[1], "sp": sched_sp, "pc": SCHED_PC}
    for name, value in (known | {"syscall_sp": syscall_sp, "syscall_pc": CALL_PC}).items():
        struct.pack_into("<Q", row, getattr(AT, name), value)
    return np.frombuffer(bytes(row), np.uint8)


def at(sp: int, *, vdso_sp: int = 0) -> Machine:
    """A thread whose stack pointer is somewhere."""
    return replace(MACHINE, registers=ThreadRegisters(PC, sp, 0), vdso=(VDSO_PC if vdso_sp else 0, vdso_sp))


def test_a_thread_on_its_goroutines_stack_is_where_its_registers_are() -> None:
    assert place(goroutine(), at(0x1100), AT) == Place(PC, 0x1100, is_exact=True)


def test_one_that_reads_the_clock_is_where_it_called_from_whatever_the_scheduler_noted() -> None:
    assert place(goroutine(), at(0x5100, vdso_sp=0x1180), AT) == Place(VDSO_PC, 0x1180, is_exact=False)


def test_one_whose_scheduler_reads_the_clock_is_where_the_scheduler_noted() -> None:
    assert place(goroutine(), at(0x5100, vdso_sp=0x5180), AT) == Place(SCHED_PC, 0x1200, is_exact=False)


def test_one_in_c_is_where_it_called_from() -> None:
    assert place(goroutine(syscall_sp=0x1300), at(0x5100), AT) == Place(CALL_PC, 0x1300, is_exact=False)


def test_one_in_the_runtime_on_the_threads_own_stack_is_where_the_scheduler_noted() -> None:
    assert place(goroutine(), at(0x5100), AT) == Place(SCHED_PC, 0x1200, is_exact=False)


@pytest.mark.parametrize("sp", [0x8100, 0x3000, 0, 0x1101, 0x2000, 0x1000], ids=hex)
def test_one_in_a_signal_handler_or_nowhere_is_not_known(sp: int) -> None:
    assert place(goroutine(), at(sp), AT) == UNKNOWN


def test_one_whose_signal_handler_reads_the_clock_is_not_known() -> None:
    assert place(goroutine(), at(0x8100, vdso_sp=0x8180), AT) == UNKNOWN


def test_one_whose_scheduler_has_noted_nothing_is_not_known() -> None:
    assert place(goroutine(sched_sp=0), at(0x5100), AT) == UNKNOWN
