"""Where a new goroutine gets its creation address: the one instruction of runtime.newproc1 that stores gopc.

There the new g and the address behind its `go` statement are in registers together, so who stops or samples the
program there knows of which statement each g is, without reading it later, when the g may be another goroutine's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gosonde_agent.golang.costs import Cost, cost_of
from gosonde_agent.golang.gopc_proof import gopc_offset
from gosonde_agent.golang.instructions import Instruction, Machine
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.moves import STACK, moves_of
from gosonde_agent.golang.same_values import successors
from gosonde_agent.model.errors import UnprovedProbePointError


@dataclass(frozen=True, slots=True)
class GopcStore:
    """The place.

    Attributes:
        vaddr: Link-time address of the instruction.
        offset: vaddr less the function's entry.
        g, site: Full names of the registers that hold the new g and its creation address before the instruction.
        cost: Of a uprobe there; a hardware breakpoint costs the same everywhere.
        proof: Why it is right, a sentence each.
    """

    vaddr: int
    offset: int
    instruction: str
    g: str
    site: str
    cost: Cost
    proof: tuple[str, ...]


def find_gopc_store(instructions: Sequence[Instruction], machine: Machine, layout: Layout) -> GopcStore:
    """The place in runtime.newproc1.

    Raises:
        UnprovedProbePointError: It is not proved.
    """
    if machine.name != "amd64":
        raise UnprovedProbePointError("it is known for amd64 only")
    if gopc_offset(instructions, machine, layout.callerpc) != layout.gopc:
        raise UnprovedProbePointError("the code does not show that the argument callerpc becomes gopc")
    stored = gopc_stored(instructions, machine, layout)
    returns = [each for each in instructions if each.text == "ret"]
    if not returns or any(is_reached_without(instructions, stored.address, each.address) for each in returns):
        raise UnprovedProbePointError("the function can return without storing gopc")
    if any(is_reached(instructions, address, stored.address) for address in successors(stored)):
        raise UnprovedProbePointError("gopc may be stored twice in one call")
    move = next(moves_of(stored, machine))
    return GopcStore(
        stored.address,
        stored.address - instructions[0].address,
        stored.text,
        move.base,
        move.register,
        cost_of(stored, machine.name),
        (
            f"all {len(instructions)} instructions of the function decode without a gap",
            "the only instruction that stores at gopc's offset in anything but the stack",
            f"what it stores is the argument callerpc, in {move.register}; the new g is in {move.base}",
            f"every way from the entry to a return ({len(returns)} of them) passes it",
            "it is in no loop: it runs once in each call",
        ),
    )


def gopc_stored(instructions: Sequence[Instruction], machine: Machine, layout: Layout) -> Instruction:
    """The one instruction that stores a goroutine's gopc (see gopc_proof: callerpc is stored at that offset).

    Raises:
        UnprovedProbePointError: There is not exactly one.
    """
    found = [
        instruction
        for instruction in instructions
        for move in moves_of(instruction, machine)
        if move.is_store and move.base not in STACK and move.displacement == layout.gopc
    ]
    if len(found) != 1:
        raise UnprovedProbePointError(f"{len(found)} instructions store at gopc's offset")
    return found[0]


def is_reached_without(instructions: Sequence[Instruction], avoided: int, target: int) -> bool:
    """Whether a way leads from the entry to an address that does not pass another. Raises as `successors`."""
    return is_reached(instructions, instructions[0].address, target, avoided)


def is_reached(instructions: Sequence[Instruction], start: int, target: int, avoided: int | None = None) -> bool:
    """Whether a way leads from one address to another, and does not pass a third. Raises as `successors`."""
    by_address = {instruction.address: instruction for instruction in instructions}
    pending, seen = [start], {avoided}
    while pending:
        address = pending.pop()
        if address == target:
            return True
        if address in by_address and address not in seen:
            seen.add(address)
            pending += successors(by_address[address])
    return False
