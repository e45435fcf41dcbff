"""Which variables the code of a Go function touches: its RIP-relative operands, by capstone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.pclntab import Pclntab

#: A longer function is read only so far.
MAX_CODE = 1 << 16
#: As capstone writes an operand that lies so far behind an instruction.
RELATIVE: Final = re.compile(r"\[rip((?: [+-] \w+)?)\]")


@dataclass(frozen=True, slots=True)
class Reference:
    """An instruction that names a variable.

    Attributes:
        address: The variable's link-time address.
        is_address: The instruction takes the address (lea) instead of reading or writing the variable.
        function: The function that it stands in.
    """

    address: int
    is_address: bool
    function: str


def _engine() -> Any:  # noqa: ANN401  # capstone ships no types
    """A decoder. Capstone is imported when a binary needs it: it takes longer than most others take in all."""
    import capstone  # noqa: PLC0415

    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def references(image: ElfImage, pclntab: Pclntab, functions: Iterable[str]) -> list[Reference]:
    """What the functions of these names touch, in order; a name that the binary does not have gives nothing."""
    engine = _engine()  # as text: details take several times as long
    found: list[Reference] = []
    for name in functions:
        function = pclntab.find(name)
        if function is None:
            continue
        code = image.read(function.entry, min(function.end - function.entry, MAX_CODE))
        for start, size, mnemonic, operands in engine.disasm_lite(code, function.entry):
            if operand := RELATIVE.search(operands):
                distance = int(operand[1].replace(" ", "") or "0", 0)
                found.append(Reference(start + size + distance, mnemonic == "lea", name))
    return found


def immediates(image: ElfImage, pclntab: Pclntab, function_name: str) -> list[int]:
    """The numbers that a function compares with, in order."""
    from capstone import x86  # noqa: PLC0415

    engine = _engine()
    engine.detail = True
    function = pclntab.find(function_name)
    if function is None:
        return []
    code = image.read(function.entry, min(function.end - function.entry, MAX_CODE))
    return [
        int(operand.imm)
        for instruction in engine.disasm(code, function.entry)
        if instruction.id == x86.X86_INS_CMP
        for operand in instruction.operands
        if operand.type == x86.X86_OP_IMM
    ]
