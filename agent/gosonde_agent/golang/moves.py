"""What an instruction moves between registers and memory: whole registers, by the text of the instruction."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gosonde_agent.golang.instructions import Instruction, Machine


@dataclass(frozen=True, slots=True)
class Move:
    """A whole register (`register`) that is stored to, or loaded from, `displacement` bytes behind `base`."""

    is_store: bool
    register: str
    base: str
    displacement: int


_X86_ADDRESS = r"qword ptr \[(?P<base>r\w+)(?: (?P<sign>[+-]) (?P<number>0x[0-9a-f]+|\d+))?\]"
_X86_STORE = re.compile(rf"mov {_X86_ADDRESS}, (?P<register>r\w+)$")
_X86_LOAD = re.compile(rf"mov (?P<register>r\w+), {_X86_ADDRESS}$")
_ARM64_ADDRESS = r"\[(?P<base>x\d+|sp)(?:, #(?P<sign>-)?(?P<number>0x[0-9a-f]+|\d+))?\]"
_ARM64_STORE = re.compile(rf"stu?r (?P<register>x\d+), {_ARM64_ADDRESS}$")
_ARM64_LOAD = re.compile(rf"ldu?r (?P<register>x\d+), {_ARM64_ADDRESS}$")
_ARM64_PAIR = re.compile(rf"(?P<kind>stp|ldp) (?P<first>x\d+), (?P<second>x\d+), {_ARM64_ADDRESS}$")
#: What addresses on the stack are based on.
STACK = ("rsp", "rbp", "sp", "x29")
WORD_BYTES = 8


def moves_of(instruction: Instruction, machine: Machine) -> Iterator[Move]:
    """Stores and loads of whole general registers; nothing for what does anything else with memory."""
    if machine.name == "amd64":
        forms = ((_X86_STORE, True), (_X86_LOAD, False))
    else:
        forms = ((_ARM64_STORE, True), (_ARM64_LOAD, False))
        if pair := _ARM64_PAIR.match(instruction.text):
            for index, name in enumerate(("first", "second")):
                yield Move(pair["kind"] == "stp", pair[name], pair["base"], _displacement(pair) + WORD_BYTES * index)
    for form, is_store in forms:
        if match := form.match(instruction.text):
            yield Move(is_store, match["register"], match["base"], _displacement(match))


def are_apart(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether two words on the stack, by base and displacement, share no byte for certain."""
    return one[0] == other[0] and abs(one[1] - other[1]) >= WORD_BYTES


def _displacement(match: re.Match[str]) -> int:
    number = int(match["number"] or "0", 0)
    return -number if match["sign"] == "-" else number
