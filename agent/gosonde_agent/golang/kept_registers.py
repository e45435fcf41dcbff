"""Whether registers hold on a function's straight way what they held at its entry.

A call keeps none of them. A function that needs an argument behind it has stored the register on its stack before, and
loads it from there again.
"""

from gosonde_agent.golang.instructions import Instruction, Machine
from gosonde_agent.golang.moves import STACK, Move, are_apart, moves_of


class KeptRegisters:
    """Some `registers`, by their full names, while one instruction after the other is passed."""

    def __init__(self, registers: frozenset[str], machine: Machine) -> None:
        self._registers = registers
        self._machine = machine
        self._intact = set(registers)
        self._slots: dict[tuple[str, int], str] = {}

    @property
    def are_intact(self) -> bool:
        """Whether all of them hold what they held at the entry."""
        return self._intact == self._registers

    def passed(self, instruction: Instruction) -> None:
        """The next instruction has run; a call has returned."""
        is_call = instruction.flow == "call"
        moves = [move for move in moves_of(instruction, self._machine) if move.base in STACK]
        before = frozenset(self._intact)
        self._intact -= self._registers if is_call else instruction.writes
        if not is_call and (instruction.writes & set(STACK) or (not moves and _names_the_stack(instruction))):
            self._slots.clear()
        for move in moves:
            self._moved(move, before)

    def _moved(self, move: Move, before: frozenset[str]) -> None:
        place = move.base, move.displacement
        if not move.is_store:
            if self._slots.get(place) == move.register:
                self._intact.add(move.register)
            return
        self._slots = {(base, at): held for (base, at), held in self._slots.items() if are_apart((base, at), place)}
        if move.register in before & self._registers:
            self._slots[place] = move.register


def _names_the_stack(instruction: Instruction) -> bool:
    return any(f"[{base}" in instruction.text for base in STACK)
