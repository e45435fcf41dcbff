"""What a probe on an instruction costs: what the kernel does there, as its source says."""

import enum

from gosonde_agent.golang.instructions import Instruction
from gosonde_agent.host.kernel import kernel_version

#: arch/x86/kernel/uprobes.c, Linux 6.18: a call into a trampoline is written over it.
NOP5 = bytes((0x0F, 0x1F, 0x44, 0x00, 0x00))
OPTIMIZED_NOP_SINCE = (6, 18)


class Cost(enum.IntEnum):
    """What the kernel does at a probe, cheapest first."""

    #: A 5-byte nop becomes a call into a trampoline: no trap at all.
    OPTIMIZED = 0
    #: A trap; the instruction's effect is computed in the kernel.
    EMULATED = 1
    #: Two traps: the instruction is run out of line with the trap flag set.
    SINGLE_STEPPED = 2


def has_optimized_nop() -> bool:
    """Whether this kernel has optimized nops."""
    return kernel_version() >= OPTIMIZED_NOP_SINCE


def cost_of(instruction: Instruction, architecture: str, *, optimized_nop: bool) -> Cost:
    """The class of cost of a probe on an instruction, on a kernel with or without optimized nops."""
    if architecture == "arm64":
        return Cost.EMULATED if _is_simulated(instruction) else Cost.SINGLE_STEPPED
    if optimized_nop and instruction.raw == NOP5:
        return Cost.OPTIMIZED
    return Cost.EMULATED if _is_emulated(instruction.raw) else Cost.SINGLE_STEPPED


def _is_emulated(raw: bytes) -> bool:
    """arch/x86/kernel/uprobes.c: push_setup_xol_ops, branch_setup_xol_ops."""
    is_push = 0x50 <= raw[0] <= 0x57 or (raw[0] == 0x41 and len(raw) == 2 and 0x50 <= raw[1] <= 0x57)
    is_call_or_jump = raw[0] in (0xE8, 0xE9, 0xEB) or raw == b"\x90"
    is_conditional = 0x70 <= raw[0] <= 0x7F or (raw[0] == 0x0F and 0x80 <= raw[1] <= 0x8F)
    return is_push or is_call_or_jump or is_conditional


def _is_simulated(instruction: Instruction) -> bool:
    """arch/arm64/kernel/probes/decode-insn.c: arm_probe_decode_insn."""
    word = int.from_bytes(instruction.raw, "little")
    is_adr = word & 0x1F000000 == 0x10000000
    is_load_of_literal = word & 0xBF000000 == 0x18000000
    return instruction.flow in ("call", "branch", "jump") or instruction.text == "ret" or is_adr or is_load_of_literal


def rank(instruction: Instruction, architecture: str, *, optimized_nop: bool) -> tuple[int, bool]:
    """Sorts instructions, the best for a probe first: by cost, then what is no conditional branch."""
    return cost_of(instruction, architecture, optimized_nop=optimized_nop), instruction.flow == "branch"
