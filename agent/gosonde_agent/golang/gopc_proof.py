"""Where the program's own code keeps a goroutine's creation address: what the exit probe reads, proved by instructions.

runtime.newproc1(fn, callergp, callerpc) stores callerpc in the new g's gopc and, two words behind, *fn in startpc. The
compiler spills both arguments on the stack; the stores of what is loaded again show the offset. Up to Go 1.17 the
function has two more arguments between.
"""

from collections.abc import Sequence

from gosonde_agent.golang.instructions import Instruction, Machine
from gosonde_agent.golang.layouts import STARTPC_BEHIND
from gosonde_agent.golang.moves import STACK, moves_of


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
        moves = list(moves_of(instruction, machine))
        before = dict(holders)
        for register in instruction.writes:
            holders.pop(register, None)
        if instruction.flow == "call":
            holders.clear()
        for move in moves:
            place = (move.base, move.displacement)
            if move.is_store and move.base in STACK:
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
