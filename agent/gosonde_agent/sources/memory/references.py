"""Which variables the code of a Go function touches, by capstone.

On amd64 they are RIP-relative operands. arm64 takes two instructions: one has the page of 4 KiB, the next the place in
it. They are followed from the first instruction to the last, as if there were no jumps: where a jump brings another
value, an address may be wrong. So what is found is to be tried, never to be believed.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.pclntab import Pclntab

#: A longer function is read only so far.
MAX_CODE = 1 << 16
#: As capstone writes an operand that lies so far behind an instruction.
RELATIVE: Final = re.compile(r"\[rip((?: [+-] \w+)?)\]")
#: The same for arm64: the sum of a register and a number, and a word or two that lie so far behind a register.
SUM: Final = re.compile(r"(?P<to>x\d+), (?P<base>x\d+), #(?P<number>\w+)$")
_ANY = r"[a-z]\d+|[wx]zr"
ACCESS: Final = re.compile(rf"(?P<first>{_ANY}), (?:(?P<second>{_ANY}), )?\[(?P<base>x\d+)(?:, #(?P<number>\w+))?\]$")
#: Other instructions with two registers, such as `swpal`, access one word.
PAIRS: Final = frozenset({"ldp", "stp", "ldnp", "stnp"})
WORD_BYTES: Final = {"x": 8, "d": 8, "w": 4, "s": 4, "q": 16}
#: The register in which Go's assembler makes addresses, for the very next instruction alone (REGTMP).
SCRATCH: Final = "x27"
#: The number that a register is compared with, on both.
NUMBER: Final = re.compile(r", #?(-?(?:0x[0-9a-f]+|\d+))$")
#: (address of a variable, whether the instruction takes the address)
Found = tuple[int, bool]


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


def _engine(architecture: str) -> Any:  # noqa: ANN401  # capstone ships no types
    """A decoder. Capstone is imported when a binary needs it: it takes longer than most others take in all."""
    import capstone  # noqa: PLC0415

    if architecture == "arm64":
        return capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def references(image: ElfImage, pclntab: Pclntab, functions: Iterable[str]) -> list[Reference]:
    """What the functions of these names touch, in order; a name that the binary does not have gives nothing."""
    engine = _engine(image.architecture)  # as text: details take several times as long
    touched: Callable[[Any, bytes, int], Iterator[Found]] = _on_arm64 if image.architecture == "arm64" else _on_amd64
    found: list[Reference] = []
    for name in functions:
        function = pclntab.find(name)
        if function is None:
            continue
        code = image.read(function.entry, min(function.end - function.entry, MAX_CODE))
        found += [Reference(address, taken, name) for address, taken in touched(engine, code, function.entry)]
    return found


def _on_amd64(engine: Any, code: bytes, entry: int) -> Iterator[Found]:  # noqa: ANN401
    for start, size, mnemonic, operands in engine.disasm_lite(code, entry):
        if operand := RELATIVE.search(operands):
            distance = int(operand[1].replace(" ", "") or "0", 0)
            yield start + size + distance, mnemonic == "lea"


def _on_arm64(engine: Any, code: bytes, entry: int) -> Iterator[Found]:  # noqa: ANN401
    known: dict[str, int] = {}
    for _start, _size, mnemonic, operands in engine.disasm_lite(code, entry):
        if mnemonic in ("bl", "blr"):
            known.clear()
        elif mnemonic in ("adr", "adrp"):
            register, _, number = operands.partition(", #")
            known[register] = int(number, 0)
        elif mnemonic == "add" and (operand := SUM.match(operands)) and operand["base"] in known:
            known[operand["to"]] = address = known[operand["base"]] + int(operand["number"], 0)
            if operand["to"] != SCRATCH:
                yield address, True
        elif access := ACCESS.match(operands):
            yield from _accessed(access, known, is_pair=mnemonic in PAIRS)
            if not mnemonic.startswith("st") or "x" in mnemonic:  # of an exclusive store the first says whether it did
                _forget(known, access["first"], access["second"])
        elif not mnemonic.startswith(("st", "cmp", "cmn", "tst", "b", "cb", "tb")):
            _forget(known, operands.partition(",")[0])


def _accessed(access: re.Match[str], known: dict[str, int], *, is_pair: bool) -> Iterator[Found]:
    """One variable, or two that lie one behind the other."""
    if access["base"] not in known:
        return
    address = known[access["base"]] + int(access["number"] or "0", 0)
    yield address, False
    if is_pair and (size := WORD_BYTES.get(access["first"][0])):
        yield address + size, False


def _forget(known: dict[str, int], *registers: str | None) -> None:
    for register in registers:
        if register is not None:
            known.pop(f"x{register[1:]}", None)


def immediates(image: ElfImage, pclntab: Pclntab, function_name: str) -> list[int]:
    """The numbers that a function compares with, in order."""
    function = pclntab.find(function_name)
    if function is None:
        return []
    code = image.read(function.entry, min(function.end - function.entry, MAX_CODE))
    return [
        int(operand[1], 0)
        for _start, _size, mnemonic, operands in _engine(image.architecture).disasm_lite(code, function.entry)
        if mnemonic == "cmp" and (operand := NUMBER.search(operands))
    ]
