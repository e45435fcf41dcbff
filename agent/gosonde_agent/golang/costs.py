"""What a probe on an instruction costs: what the kernel does there, as its source says."""

import enum

from gosonde_agent.golang.instructions import Instruction

#: Linux 6.18 writes a call over it instead of a breakpoint, to code that a forked child does not have: see ADR 0130.
NOP5 = bytes((0x0F, 0x1F, 0x44, 0x00, 0x00))
#: Top bytes of arm64's system calls, barriers, hints, and accesses to system registers: some cannot be stepped.
_SYSTEM = (0xD4, 0xD5)
#: Loads and stores that are exclusive (ldxr, ldaxp, stlxr, ...), and no others: those with bit 23 are ordered only.
_EXCLUSIVE_MASK, _EXCLUSIVE = 0x3F800000, 0x08000000


class Cost(enum.IntEnum):
    """What the kernel does at a probe, cheapest first."""

    #: A trap; the instruction's effect is computed in the kernel.
    EMULATED = 1
    #: Two traps: the instruction is run out of line with the trap flag set.
    SINGLE_STEPPED = 2


def is_forbidden(instruction: Instruction, architecture: str) -> bool:
    """Whether no probe may be on an instruction: a kernel refuses it there, or writes more than a breakpoint."""
    if architecture == "arm64":
        is_of_system = instruction.raw[3] in _SYSTEM and instruction.text != "nop"
        return is_of_system or _is_load_of_literal(instruction) or is_exclusive(instruction, architecture)
    return instruction.raw == NOP5


def is_exclusive(instruction: Instruction, architecture: str) -> bool:
    """Whether it takes a reservation of memory that a trap loses, or stores only while that lasts (arm64).

    With a probe between the two the store never succeeds, and the loop around them never ends.
    """
    return architecture == "arm64" and _word(instruction) & _EXCLUSIVE_MASK == _EXCLUSIVE


def cost_of(instruction: Instruction, architecture: str) -> Cost:
    """The class of cost of a probe on an instruction."""
    if architecture == "arm64":
        return Cost.EMULATED if _is_simulated(instruction) else Cost.SINGLE_STEPPED
    return Cost.EMULATED if _is_emulated(instruction.raw) else Cost.SINGLE_STEPPED


def _is_emulated(raw: bytes) -> bool:
    """arch/x86/kernel/uprobes.c: push_setup_xol_ops, branch_setup_xol_ops."""
    is_jump_or_nop = raw[0] in (0xE9, 0xEB) or raw == b"\x90"
    is_conditional = 0x70 <= raw[0] <= 0x7F or (raw[0] == 0x0F and 0x80 <= raw[1] <= 0x8F)
    return _writes_on_stack(raw) or is_jump_or_nop or is_conditional


def _writes_on_stack(raw: bytes) -> bool:
    """A push, or a call: to emulate it the kernel writes into the process, which takes longer than the rest."""
    is_push = 0x50 <= raw[0] <= 0x57 or (raw[0] == 0x41 and len(raw) == 2 and 0x50 <= raw[1] <= 0x57)
    return is_push or raw[0] == 0xE8


def _is_simulated(instruction: Instruction) -> bool:
    """arch/arm64/kernel/probes/decode-insn.c: arm_probe_decode_insn.

    Loads of literals are not among them: older kernels simulate them too, but read the process's memory as if it were
    their own, and newer ones refuse them.
    """
    is_adr = _word(instruction) & 0x1F000000 == 0x10000000
    return instruction.flow in ("call", "branch", "jump") or instruction.text == "ret" or is_adr


def _is_load_of_literal(instruction: Instruction) -> bool:
    """arch/arm64/include/asm/insn.h: aarch64_insn_uses_literal, less adr and adrp."""
    return _word(instruction) & 0x3B000000 == 0x18000000


def _word(instruction: Instruction) -> int:
    return int.from_bytes(instruction.raw, "little")


def rank(instruction: Instruction, architecture: str) -> tuple[int, bool, bool]:
    """Sorts instructions, the best for a probe first: by cost, then what writes nothing, then no conditional branch."""
    writes = architecture == "amd64" and _writes_on_stack(instruction.raw)
    return cost_of(instruction, architecture), writes, instruction.flow == "branch"
