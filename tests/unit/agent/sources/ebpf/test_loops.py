"""The machine code to calibrate with does what it is described to do."""

import capstone
import pytest
from gosonde_agent.sources.ebpf.loops import EMULATED, EXITING, LINE_BYTES, STEPPED, UNPROBED, Loops

LINES = 40


def decoded(loops: Loops, number: int) -> list[capstone.CsInsn]:
    """The instructions of a loop in the order in which they run once."""
    code, at = loops.code, loops.start(number)
    found: list[capstone.CsInsn] = []
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    while not found or found[-1].mnemonic != "jne":
        found.append(next(disassembler.disasm(code[at : at + 16], at)))
        at = int(found[-1].op_str, 16) if found[-1].mnemonic == "jmp" else at + found[-1].size
    return found


@pytest.mark.parametrize(
    ("number", "probed"), [(EMULATED, "push"), (EXITING, "push"), (UNPROBED, "push"), (STEPPED, "mov")]
)
def test_each_time_the_probed_instruction_runs_once_and_the_walk_touches_each_line_of_code_and_data(
    number: int, probed: str
) -> None:
    loops = Loops(LINES)
    ran = decoded(loops, number)
    place = loops.probed(number)
    assert [one.mnemonic for one in ran if one.address == place] == [probed]
    touches = [one for one in ran if one.mnemonic == "add"]
    assert len({one.address // LINE_BYTES for one in touches}) == LINES
    assert len({one.op_str for one in touches}) == LINES
    assert loops.data_bytes == LINES * LINE_BYTES
    # Back to the probed instruction, as often as the first argument says.
    assert (ran[-2].mnemonic, ran[-2].op_str) == ("dec", "rdi")
    assert int(ran[-1].op_str, 16) == place
