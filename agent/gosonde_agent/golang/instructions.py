"""Machine instructions of one function, decoded by capstone into the few facts that probe placement needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import capstone
from capstone import x86

from gosonde_agent.errors import MalformedBinaryError, UnsupportedBinaryError

MAX_FUNCTION_SIZE = 1 << 16
PADDING = 0xCC

#: Every name of a part of a register, by the register's full name.
_PARTS = {
    "rax": ("al", "ah", "ax", "eax"),
    "rbx": ("bl", "bh", "bx", "ebx"),
    "rcx": ("cl", "ch", "cx", "ecx"),
    "rdx": ("dl", "dh", "dx", "edx"),
    "rsi": ("sil", "si", "esi"),
    "rdi": ("dil", "di", "edi"),
    "rsp": ("spl", "sp", "esp"),
    "rbp": ("bpl", "bp", "ebp"),
    **{f"r{n}": (f"r{n}b", f"r{n}w", f"r{n}d") for n in range(8, 16)},
}
_WHOLE = {part: whole for whole, parts in _PARTS.items() for part in parts}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        text: Mnemonic and operands in Intel syntax.
        flow: "next", "call", "branch" (conditional), "jump" or "end" (return, trap).
        target: Where a direct call, branch or jump goes; None otherwise, or when it is indirect.
        writes: Full names of the general registers that it changes.
    """

    address: int
    raw: bytes
    text: str
    flow: str
    target: int | None
    writes: frozenset[str]

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + len(self.raw)


def decode(code: bytes, address: int, architecture: str) -> list[Instruction]:
    """All instructions of a function, without the padding behind it.

    Raises:
        UnsupportedBinaryError: Another architecture than amd64.
        MalformedBinaryError: The function is too long, or bytes in it are no instruction.
    """
    if architecture != "amd64":
        raise UnsupportedBinaryError(f"probes on {architecture} are not supported yet: only amd64 is")
    if len(code) > MAX_FUNCTION_SIZE:
        raise MalformedBinaryError(f"the function at {address:#x} claims {len(code)} bytes of code")
    code = code.rstrip(bytes((PADDING,)))
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    instructions = list(_decoded(engine, code, address))
    end = instructions[-1].end if instructions else address
    if end != address + len(code):
        raise MalformedBinaryError(f"the bytes at {end:#x} are no instruction")
    return instructions


def _decoded(engine: Any, code: bytes, address: int) -> Iterator[Instruction]:  # noqa: ANN401  # no types shipped
    for found in engine.disasm(code, address):
        _reads, writes = found.regs_access()
        names = (engine.reg_name(register) for register in writes)
        yield Instruction(
            address=found.address,
            raw=bytes(found.bytes),
            text=f"{found.mnemonic} {found.op_str}".strip(),
            flow=_flow(found),
            target=_target(found),
            writes=frozenset(_WHOLE.get(name, name) for name in names),
        )


def _flow(found: Any) -> str:  # noqa: ANN401
    if found.group(capstone.CS_GRP_CALL):
        return "call"
    if found.group(capstone.CS_GRP_JUMP):
        return "jump" if found.id == x86.X86_INS_JMP else "branch"
    if found.group(capstone.CS_GRP_RET) or found.id in (x86.X86_INS_UD2, x86.X86_INS_INT3, x86.X86_INS_HLT):
        return "end"
    return "next"


def _target(found: Any) -> int | None:  # noqa: ANN401
    is_branch = found.group(capstone.CS_GRP_CALL) or found.group(capstone.CS_GRP_JUMP)
    if is_branch and found.operands and found.operands[0].type == x86.X86_OP_IMM:
        return int(found.operands[0].imm)
    return None
