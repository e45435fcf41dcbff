"""Which registers and words on the stack hold the same value, before each instruction of a function.

A value has the name of where it came up: the instruction and the place that it was written to. Where ways meet that
bring different values, it is a new one. What is not certain has no value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from gosonde_agent.golang.instructions import Instruction, Machine
from gosonde_agent.golang.moves import STACK, are_apart, moves_of
from gosonde_agent.model.errors import UnprovedProbePointError

#: A register by its full name, or a word on the stack: its base and displacement.
Place: TypeAlias = str | tuple[str, int]
Value: TypeAlias = tuple[int, Place]
State: TypeAlias = Mapping[Place, Value]

_COPY = re.compile(r"mov (r\w+), (r\w+)$")
_ON_STACK = r"\[(?:rsp|rbp)\b"
_STACK_WRITTEN = re.compile(rf"[\w ]*?\w+ (?:\w+ ptr )?{_ON_STACK}")
_STACK_ADDRESS = re.compile(rf"lea (?!rbp)\w+, {_ON_STACK}")
_READ_ONLY = ("cmp ", "test ", "nop ", "call ", "jmp ", "push ")


def values_before(
    instructions: Sequence[Instruction], machine: Machine, keeps_registers: Callable[[Instruction], bool]
) -> dict[int, State]:
    """By address of each instruction that is reached, on amd64.

    Args:
        keeps_registers: Whether a call changes no register that matters to the caller.

    Raises:
        UnprovedProbePointError: The function jumps who knows where, or gives away an address on its stack.
    """
    if any(_STACK_ADDRESS.match(instruction.text) for instruction in instructions):
        raise UnprovedProbePointError("an address on its stack escapes")
    by_address = {instruction.address: instruction for instruction in instructions}
    found: dict[int, State] = {instructions[0].address: {}}
    pending = [instructions[0].address]
    while pending:
        instruction = by_address[pending.pop()]
        after = _after(instruction, found[instruction.address], machine, keeps_registers)
        for address in successors(instruction):
            if address not in by_address:
                continue
            joined = _joined(address, found[address], after) if address in found else after
            if found.get(address) != joined:
                found[address] = joined
                pending.append(address)
    return found


def successors(instruction: Instruction) -> list[int]:
    """Where the program may go on.

    Raises:
        UnprovedProbePointError: Nobody knows.
    """
    if instruction.flow == "end":
        return []
    if instruction.flow in ("next", "call"):
        return [instruction.end]
    if instruction.target is None:
        raise UnprovedProbePointError(f"the jump at {instruction.address:#x} is indirect")
    return [instruction.target] if instruction.flow == "jump" else [instruction.target, instruction.end]


def _joined(address: int, one: State, other: State) -> State:
    return {
        place: one[place] if one[place] == other[place] else (address, place) for place in one.keys() & other.keys()
    }


def _after(
    instruction: Instruction, before: State, machine: Machine, keeps_registers: Callable[[Instruction], bool]
) -> State:
    if instruction.flow == "call":
        kept = keeps_registers(instruction)
        return {place: value for place, value in before.items() if kept or not isinstance(place, str)}
    after = {place: value for place, value in before.items() if place not in instruction.writes}
    after |= {register: (instruction.address, register) for register in instruction.writes}
    if copy := _COPY.match(instruction.text):
        after[copy[1]] = before.get(copy[2], (instruction.address, copy[1]))
        return after
    moves = [move for move in moves_of(instruction, machine) if move.base in STACK]
    if instruction.writes & set(STACK) or (not moves and _writes_stack(instruction)):
        return {place: value for place, value in after.items() if isinstance(place, str)}
    for move in moves:
        slot = move.base, move.displacement
        if move.is_store:
            after = {place: value for place, value in after.items() if isinstance(place, str) or are_apart(place, slot)}
            after[slot] = before.get(move.register, (instruction.address, slot))
        else:
            after[slot] = after[move.register] = before.get(slot, (instruction.address, move.register))
    return after


def _writes_stack(instruction: Instruction) -> bool:
    return _STACK_WRITTEN.match(instruction.text) is not None and not instruction.text.startswith(_READ_ONLY)
