"""Where a uprobe may go: an instruction that the kernel handles cheaply, proved to run exactly once per call.

The kernel writes a breakpoint over the byte it is given and checks nothing. A probe inside an instruction crashes the
target; a probe on the stack check counts twice when the check calls morestack and the function is entered again; a
probe behind an overwritten register reads garbage. So a point is used only with a proof, made from the code itself:

- the whole function decodes without a gap, so the point is an instruction boundary;
- the way from the entry to the point is straight, but for the branch of the stack check, whose target does nothing
  except call morestack and restart the function;
- no jump in the function leads to the point or to anything before it;
- on arm64 no exclusive load comes before the point, for a trap between it and its store would make that fail forever;
- no instruction on the way changes a register that the probe reads, or the function has loaded it again, behind a call,
  from where it had kept it on its stack.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gosonde_agent.golang.costs import Cost, cost_of, is_exclusive, is_forbidden, rank
from gosonde_agent.golang.instructions import Instruction, Machine
from gosonde_agent.golang.kept_registers import KeptRegisters
from gosonde_agent.model.errors import UnprovedProbePointError

MAX_PATH = 24


@dataclass(frozen=True, slots=True)
class ProbePoint:
    """An instruction that is proved to be a safe place for a probe.

    Attributes:
        probe: What is counted there, such as "created".
        function: The function's full name.
        vaddr: Link-time address.
        offset: vaddr less the function's entry.
        proof: Why it is right, a sentence each.
    """

    probe: str
    function: str
    vaddr: int
    offset: int
    instruction: str
    cost: Cost
    proof: tuple[str, ...]


NameOf = Callable[[int], str | None]


def entry_point(
    probe: str,
    function: str,
    instructions: Sequence[Instruction],
    registers: frozenset[str],
    name_of: NameOf,
    *,
    machine: Machine,
    behind_calls: bool = False,
) -> ProbePoint:
    """The cheapest proved point near a function's entry where `registers` still hold the arguments.

    Args:
        instructions: The whole function, in order.
        registers: Full names, such as "rax".
        name_of: Full name of the function that begins at an address.
        behind_calls: Whether the point may also be where the registers have been loaded again behind a call.

    Raises:
        UnprovedProbePointError: There is none.
    """
    path, checks = _straight_path(function, instructions, name_of, behind_calls=behind_calls)
    path = list(itertools.takewhile(lambda instruction: not is_exclusive(instruction, machine.name), path))
    earliest = max((index + 1 for index in checks), default=0)
    usable = [path[i] for i in _with_registers(path, registers, machine, again=behind_calls) if i >= earliest]
    candidates = [instruction for instruction in usable if not is_forbidden(instruction, machine.name)]
    if not candidates:
        raise UnprovedProbePointError(f"{function}: after the stack check no instruction has the registers unchanged")
    best = min(candidates, key=lambda instruction: rank(instruction, machine.name))
    _refuse_jumps_to(function, instructions, best.address, name_of)
    entry = instructions[0].address
    before = path[: path.index(best)]
    cost = cost_of(best, machine.name)
    return ProbePoint(
        probe,
        function,
        best.address,
        best.address - entry,
        best.text,
        cost,
        (
            _reason_for(cost, len(candidates)),
            f"all {len(instructions)} instructions of the function decode without a gap",
            f"straight path from the entry: {'; '.join(i.text for i in before) or 'it is the entry'}",
            f"{_branches(len(checks))} of the stack check on the path, to code that calls morestack and re-enters",
            "no jump in the function leads to this point or to one before it",
            f"{_how_kept(before)}: {', '.join(sorted(registers)) or 'no register is needed'}",
        ),
    )


def _branches(number: int) -> str:
    return "1 branch" if number == 1 else f"{number} branches"


def _reason_for(cost: Cost, candidates: int) -> str:
    if cost == Cost.SINGLE_STEPPED:
        return f"none of the {candidates} possible instructions is cheaper than a step out of line"
    return f"the cheapest of {candidates} possible instructions"


def _how_kept(before: Sequence[Instruction]) -> str:
    if any(instruction.flow == "call" for instruction in before):
        return "stored on the stack while unchanged, and loaded again after the call"
    return "unchanged on the path"


def _straight_path(
    function: str, instructions: Sequence[Instruction], name_of: NameOf, *, behind_calls: bool
) -> tuple[list[Instruction], list[int]]:
    """(instructions that run one after the other from the entry, indices of stack checks)."""
    by_address = {instruction.address: index for index, instruction in enumerate(instructions)}
    needs_check = any(_is_morestack(instruction, name_of) for instruction in instructions)
    path: list[Instruction] = []
    checks: list[int] = []
    for index, instruction in enumerate(instructions[:MAX_PATH]):
        path.append(instruction)
        if instruction.flow == "branch":
            if not _restarts(instructions, by_address.get(instruction.target or 0), name_of):
                break
            checks.append(index)
        elif instruction.flow != "next" and not (behind_calls and instruction.flow == "call"):
            break
    if needs_check and not checks:
        raise UnprovedProbePointError(f"{function}: its stack check was not recognized")
    return path, checks


def _with_registers(
    path: Sequence[Instruction], registers: frozenset[str], machine: Machine, *, again: bool
) -> list[int]:
    """Where in the path the registers are as at the entry, also after they were not (`again`): indices."""
    kept = KeptRegisters(registers, machine)
    found: list[int] = []
    for index, instruction in enumerate(path):
        if kept.are_intact:
            found.append(index)
        elif not again:
            break
        kept.passed(instruction)
    return found


def _is_morestack(instruction: Instruction, name_of: NameOf) -> bool:
    if instruction.flow != "call" or instruction.target is None:
        return False
    return (name_of(instruction.target) or "").startswith("runtime.morestack")


def _restarts(instructions: Sequence[Instruction], index: int | None, name_of: NameOf) -> bool:
    """Does the code at an index only save registers, call morestack, restore them and jump to the entry?"""
    if index is None:
        return False
    called = False
    for instruction in instructions[index : index + MAX_PATH]:
        if instruction.flow == "jump":
            return called and instruction.target == instructions[0].address
        if _is_morestack(instruction, name_of) and not called:
            called = True
        elif instruction.flow != "next":
            return False
    return False


def _refuse_jumps_to(function: str, instructions: Sequence[Instruction], point: int, name_of: NameOf) -> None:
    entry = instructions[0].address
    for index, instruction in enumerate(instructions):
        if instruction.flow not in ("jump", "branch"):
            continue
        if instruction.target is None:
            raise UnprovedProbePointError(f"{function}: the jump at {instruction.address:#x} is indirect")
        is_restart = instruction.target == entry and _follows_morestack(instructions, index, name_of)
        if entry <= instruction.target <= point and not is_restart:
            raise UnprovedProbePointError(
                f"{function}: the jump at {instruction.address:#x} leads back to {instruction.target:#x}"
            )


def _follows_morestack(instructions: Sequence[Instruction], index: int, name_of: NameOf) -> bool:
    for instruction in reversed(instructions[max(index - MAX_PATH, 0) : index]):
        if _is_morestack(instruction, name_of):
            return True
        if instruction.flow != "next":
            return False
    return False


def last_call_point(
    probe: str, function: str, instructions: Sequence[Instruction], callee: int, callee_name: str
) -> ProbePoint:
    """The last call of `callee`, proved to lie on every way from the function's entry to a return.

    Raises:
        UnprovedProbePointError: There is no such call, or a way around it.
    """
    calls = [i for i in instructions if i.flow == "call" and i.target == callee]
    if not calls:
        raise UnprovedProbePointError(f"{function}: it does not call {callee_name}")
    call = calls[-1]
    if _returns_without(instructions, call.address):
        raise UnprovedProbePointError(f"{function}: a way to its return avoids the call of {callee_name}")
    return ProbePoint(
        probe,
        function,
        call.address,
        call.address - instructions[0].address,
        call.text,
        Cost.EMULATED,
        (
            f"all {len(instructions)} instructions of the function decode without a gap",
            f"the last call of {callee_name}, of {len(calls)}",
            "every way from the entry to a return passes it",
        ),
    )


def _returns_without(instructions: Sequence[Instruction], avoided: int) -> bool:
    by_address = {instruction.address: instruction for instruction in instructions}
    pending = [instructions[0].address]
    seen = {avoided}
    while pending:
        address = pending.pop()
        instruction = by_address.get(address)
        if address in seen:
            continue
        seen.add(address)
        if instruction is None or instruction.text.startswith("ret"):
            return True
        if instruction.flow in ("jump", "branch"):
            if instruction.target is None:
                return True
            pending.append(instruction.target)
        if instruction.flow not in ("jump", "end"):
            pending.append(instruction.end)
    return False
