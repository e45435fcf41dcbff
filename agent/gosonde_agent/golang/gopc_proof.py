"""Where the program's own code keeps a goroutine's creation address: what the exit probe reads, proved by instructions.

runtime.newproc1(fn, callergp, callerpc) stores callerpc in the new g's gopc and, two words behind, *fn in startpc. The
compiler spills both arguments on the stack; the stores of what is loaded again show the offset. Up to Go 1.17 the
function has two more arguments between.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gosonde_agent.golang.instructions import Instruction, Machine
from gosonde_agent.golang.layouts import STARTPC_BEHIND


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
_STACK = ("rsp", "rbp", "sp", "x29")


def gopc_offset(instructions: Sequence[Instruction], machine: Machine, callerpc: int) -> int | None:
    """Offset of gopc in runtime.g as the code of runtime.newproc1 shows it; None when it does not show exactly one.

    Args:
        callerpc: See `Layout`.
    """
    stored = _stored(instructions, machine, machine.arguments[callerpc], dereferenced=False)
    started = _stored(instructions, machine, machine.arguments[0], dereferenced=True)
    proved = {offset for offset in stored if offset + STARTPC_BEHIND in started}
    return proved.pop() if len(proved) == 1 else None


def _stored(instructions: Sequence[Instruction], machine: Machine, argument: str, *, dereferenced: bool) -> set[int]:
    """Displacements at which the argument, or the word that it points to, is stored in something not on the stack."""
    slots: set[tuple[str, int]] = set()
    holders: dict[str, str] = {argument: "argument"}
    wanted = "pointee" if dereferenced else "argument"
    found: set[int] = set()
    for instruction in instructions:
        moves = list(_moves(instruction, machine))
        before = dict(holders)
        for register in instruction.writes:
            holders.pop(register, None)
        if instruction.flow == "call":
            holders.clear()
        for move in moves:
            place = (move.base, move.displacement)
            if move.is_store and move.base in _STACK:
                slots.discard(place)
                if before.get(move.register) == "argument":
                    slots.add(place)
            elif move.is_store and before.get(move.register) == wanted:
                found.add(move.displacement)
            elif not move.is_store and place in slots:
                holders[move.register] = "argument"
            elif not move.is_store and before.get(move.base) == "argument" and move.displacement == 0:
                holders[move.register] = "pointee"
    return found


def _moves(instruction: Instruction, machine: Machine) -> Iterator[Move]:
    if machine.name == "amd64":
        forms = ((_X86_STORE, True), (_X86_LOAD, False))
    else:
        forms = ((_ARM64_STORE, True), (_ARM64_LOAD, False))
        if pair := _ARM64_PAIR.match(instruction.text):
            for index, name in enumerate(("first", "second")):
                yield Move(pair["kind"] == "stp", pair[name], pair["base"], _displacement(pair) + 8 * index)
    for form, is_store in forms:
        if match := form.match(instruction.text):
            yield Move(is_store, match["register"], match["base"], _displacement(match))


def _displacement(match: re.Match[str]) -> int:
    number = int(match["number"] or "0", 0)
    return -number if match["sign"] == "-" else number
