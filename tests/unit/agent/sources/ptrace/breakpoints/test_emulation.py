"""What is done in place of the processor is what the processor does."""

import ctypes
import itertools
import mmap
import platform
import struct

import pytest
from gosonde_agent.sources.ptrace import calls
from gosonde_agent.sources.ptrace.breakpoints.emulation import CARRY, OVERFLOW, PARITY, SIGN, ZERO, emulate, holds
from gosonde_agent.sources.ptrace.breakpoints.finding import doing
from gosonde_agent.sources.ptrace.breakpoints.points import ALWAYS, CALL, JUMP, PUSH_RBP, Breakpoint
from gosonde_agent.sources.ptrace.calls import FLAGS, NAMES, PC, SP, Words

STACK, HERE = 0x7000, 0x400000
RBP = NAMES.index("rbp")


def point(kind: str, after: int, target: int, condition: int = ALWAYS) -> Breakpoint:
    """A breakpoint at HERE."""
    return Breakpoint("created", HERE, 0, kind, after, target, condition, 0)


class Memory(dict[int, bytes]):
    """What was written, by address."""

    def write(self, address: int, data: bytes) -> bool:
        """Always possible."""
        self[address] = data
        return True


def registers() -> Words:
    """Those of a thread that stands at HERE."""
    words = calls.no_words()
    words[PC], words[SP], words[RBP] = HERE, STACK, 0xB0B
    return words


def test_a_push_writes_below_the_stack_and_goes_on_behind_itself() -> None:
    memory, words = Memory(), registers()
    assert emulate(words, point(PUSH_RBP, HERE + 1, 0), memory.write)
    assert memory == {STACK - 8: struct.pack("<Q", 0xB0B)}
    assert (words[SP], words[PC], words[RBP]) == (STACK - 8, HERE + 1, 0xB0B)


def test_a_call_pushes_where_it_returns_to_and_goes_where_it_calls() -> None:
    memory, words = Memory(), registers()
    assert emulate(words, point(CALL, HERE + 5, 0x500000), memory.write)
    assert memory == {STACK - 8: struct.pack("<Q", HERE + 5)}
    assert (words[SP], words[PC]) == (STACK - 8, 0x500000)


def test_nothing_changes_where_the_stack_cannot_be_written() -> None:
    words = registers()
    assert not emulate(words, point(PUSH_RBP, HERE + 1, 0), lambda *_: False)
    assert (words[SP], words[PC]) == (STACK, HERE)


def test_a_jump_goes_where_its_condition_says_and_touches_nothing_else() -> None:
    for flags, goes_on in ((ZERO, 0x500000), (0, HERE + 2)):
        words = registers()
        words[FLAGS] = flags
        assert emulate(words, point(JUMP, HERE + 2, 0x500000, condition=4), lambda *_: False)
        assert (words[PC], words[SP], words[FLAGS]) == (goes_on, STACK, flags)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="it asks this machine's processor")
def test_every_condition_holds_where_the_processor_says_so() -> None:
    bits = (CARRY, PARITY, ZERO, SIGN, OVERFLOW)
    every = [sum(some) for count in range(6) for some in itertools.combinations(bits, count)]
    assert len(every) == 32
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as code:
        for condition in range(16):
            # push rdi; popfq; mov eax, 1; jcc +2; xor eax, eax; ret
            code.seek(0)
            code.write(bytes.fromhex("579db801000000") + bytes((0x70 | condition, 2)) + bytes.fromhex("31c0c3"))
            room = ctypes.c_char.from_buffer(code)
            jumps = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64)(ctypes.addressof(room))
            for flags in every:
                assert holds(condition, flags) == bool(jumps(flags | 2)), (condition, flags)
            del jumps, room


def test_instructions_that_can_be_done_are_known_by_their_bytes() -> None:
    assert doing(bytes.fromhex("554889e54883")) == (PUSH_RBP, ALWAYS, 1, 0)
    assert doing(bytes.fromhex("e80102030490")) == (CALL, ALWAYS, 5, 4)
    assert doing(bytes.fromhex("901111111111")) == (JUMP, ALWAYS, 1, 0)
    assert doing(bytes.fromhex("eb0211111111")) == (JUMP, ALWAYS, 2, 1)
    assert doing(bytes.fromhex("e90102030411")) == (JUMP, ALWAYS, 5, 4)
    assert doing(bytes.fromhex("740211111111")) == (JUMP, 4, 2, 1)
    assert doing(bytes.fromhex("0f8501020304")) == (JUMP, 5, 6, 4)


def test_no_other_instruction_is_taken_for_one_of_them() -> None:
    for code in ("4889e5111111", "0f1f44000011", "50111111111", "415411111111", "c31111111111", "cc1111111111"):
        assert doing(bytes.fromhex(code[:10])) is None
