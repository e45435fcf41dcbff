"""Where a P takes its next 16 goroutine ids: one of 16 creations of a P passes there, and its new g is at hand.

In runtime.newproc1:

    if pp.goidcache == pp.goidcacheend {
        pp.goidcache = sched.goidgen.Add(16)
        pp.goidcache -= 15
        pp.goidcacheend = pp.goidcache + 16
    }
    newg.goid = pp.goidcache

A probe is there only with a proof, made from the code: the branch is passed for this reason alone, it is entered in one
way, and the g whose goid comes from there is the one whose gopc was set on every way to it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gosonde_agent.golang.costs import Cost, cost_of, is_forbidden
from gosonde_agent.golang.gopc_store import gopc_stored, is_reached_without
from gosonde_agent.golang.instructions import Instruction, Machine
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.moves import moves_of
from gosonde_agent.golang.same_values import Place, values_before
from gosonde_agent.model.errors import UnprovedProbePointError

#: Ids that a P takes at once: one creation stands for so many.
BATCH = 16
#: Instructions behind the branch until the id is stored.
MOST_BEHIND = 6
#: Keeps all registers but r11.
WRITE_BARRIER = "runtime.gcWriteBarrier"

_BRANCH = re.compile(
    r"mov (?P<small>\w+), 0x10; lea (?P<at>r\w+), \[rip [+-] \w+\]; lock xadd qword ptr \[(?P=at)\], (?P<ids>r\w+); "
    r"lea (?P<first>r\w+), \[(?P=ids) \+ 1\]; mov qword ptr \[(?P<p>r\w+) \+ (?P<next>\w+)\], (?P=first); "
    r"add (?P=ids), 0x11; mov qword ptr \[(?P=p) \+ (?P<end>\w+)\], (?P=ids)$"
)
#: Changes nothing but a register that is not the stack's.
_LOAD = re.compile(r"nop\b|mov (?!rsp|rbp)r\w+, qword ptr \[[^\]]+\]$")
_FROM_STACK = re.compile(r"mov (?P<register>r\w+), qword ptr \[rsp \+ (?P<displacement>\w+)\]$")


@dataclass(frozen=True, slots=True)
class Refill:
    """The place.

    Attributes:
        vaddr: Link-time address of the branch's first instruction.
        holder: What holds the new g: a register by its full name, or a word on the stack by its base and displacement.
        proof: Why it is right, a sentence each.
    """

    vaddr: int
    holder: Place
    cost: Cost
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Branch:
    """Instructions by index: the comparison's jump, and where it jumps to."""

    jump: int
    behind: int
    p: str


def find_refill(
    instructions: Sequence[Instruction], machine: Machine, layout: Layout, name_of: Callable[[int], str | None]
) -> Refill:
    """The place in runtime.newproc1.

    Raises:
        UnprovedProbePointError: It is not proved, or a probe there would not be cheap.
        UnsupportedBinaryError: The layout does not know where a goroutine's id lies.
    """
    if machine.name != "amd64":
        raise UnprovedProbePointError("it is known for amd64 only")
    branch = _branch(instructions, machine, layout)
    first = instructions[branch.jump + 1]
    if is_forbidden(first, machine.name) or cost_of(first, machine.name) is not Cost.EMULATED:
        raise UnprovedProbePointError(f"the kernel would have to step {first.text!r}")
    inside = range(first.address, instructions[branch.behind].address)
    for each in instructions:
        if each.flow in ("branch", "jump") and (each.target is None or each.target in inside):
            raise UnprovedProbePointError(f"{each.text} leads into the branch, or to an unknown place")
    holder = _goid_owner(instructions, branch, layout)
    stored = gopc_stored(instructions, machine, layout)
    if is_reached_without(instructions, stored.address, first.address):
        raise UnprovedProbePointError("gopc is not stored on every way to the branch")
    values = values_before(instructions, machine, lambda call: _is_write_barrier(call, name_of))
    base = next(move.base for move in moves_of(stored, machine))
    held, name = values.get(first.address, {}).get(holder), _name(holder)
    if held is None or held != values.get(stored.address, {}).get(base):
        raise UnprovedProbePointError(f"it is not known that {name} holds the g whose gopc was stored")
    return Refill(
        first.address,
        holder,
        Cost.EMULATED,
        (
            f"behind {instructions[branch.jump].text}, which no other jump goes around: a P has no ids left",
            "the branch takes 16 ids and stores the first, and the one after the last",
            f"the id after the branch goes to the g in {name}, which nothing changes from here on",
            f"{name} holds what gopc was stored in, on every way to here",
        ),
    )


def _name(holder: Place) -> str:
    return holder if isinstance(holder, str) else f"[{holder[0]} + {holder[1]:#x}]"


def _branch(instructions: Sequence[Instruction], machine: Machine, layout: Layout) -> _Branch:
    """The one that takes ids."""
    by_address = {instruction.address: index for index, instruction in enumerate(instructions)}
    found: list[_Branch] = []
    for index, instruction in enumerate(instructions):
        behind = by_address.get(instruction.target or 0, 0)
        if not instruction.text.startswith("jne ") or behind <= index + 1:
            continue
        own = [each for each in instructions[index + 1 : behind] if not each.text.startswith("nop")]
        taken = _BRANCH.match("; ".join(each.text for each in own))
        if taken is None or machine.whole.get(taken["small"]) != taken["ids"] or taken["p"] == taken["ids"]:
            continue
        if taken["p"] in (taken["at"], taken["first"]) or taken["first"] == taken["ids"]:
            continue
        places = int(taken["next"], 16), int(taken["end"], 16)
        if places != (layout.offset("p", "goidcache"), layout.offset("p", "goidcacheend")):
            continue
        if _compares(instructions[:index], taken["p"], *places):
            found.append(_Branch(index, behind, taken["p"]))
    if len(found) != 1:
        raise UnprovedProbePointError(f"{len(found)} branches take goroutine ids")
    return found[0]


def _compares(before: Sequence[Instruction], p: str, first: int, end: int) -> bool:
    """Whether the last instructions compare the two words of the P."""
    own = [each.text for each in before[-4:] if not each.text.startswith("nop")][-2:]
    pattern = rf"mov (r\w+), qword ptr \[{p} \+ {first:#x}\]; cmp qword ptr \[{p} \+ {end:#x}\], \1$"
    return re.match(pattern, "; ".join(own)) is not None


def _goid_owner(instructions: Sequence[Instruction], branch: _Branch, layout: Layout) -> Place:
    """What holds the g whose goid is stored behind the branch, and is changed by nothing from the branch on."""
    first, goid = layout.offset("p", "goidcache"), layout.offset("g", "goid")
    held = ""
    for index in range(branch.behind, min(branch.behind + MOST_BEHIND, len(instructions))):
        instruction = instructions[index]
        stored = re.match(rf"mov qword ptr \[(r\w+) \+ {goid:#x}\], (r\w+)$", instruction.text)
        if stored and stored[2] == held:
            return _kept(instructions[branch.jump + 1 : branch.behind], instructions[branch.behind : index], stored[1])
        if instruction.flow != "next":
            break
        loaded = re.match(rf"mov (r\w+), qword ptr \[{branch.p} \+ {first:#x}\]$", instruction.text)
        held = loaded[1] if loaded else "" if held in instruction.writes else held
    raise UnprovedProbePointError("the id is not stored after the branch")


def _kept(inside: Sequence[Instruction], behind: Sequence[Instruction], register: str) -> Place:
    """What holds before the branch what a register holds behind it: itself, or the word that it is loaded from.

    The branch itself stores in the P alone.
    """
    if not any(register in each.writes for each in (*inside, *behind)):
        return register
    found = [match for each in behind if (match := _FROM_STACK.match(each.text)) and match["register"] == register]
    writes = [each for each in (*inside, *behind) if register in each.writes]
    if len(found) != 1 or len(writes) != 1 or not all(_LOAD.match(each.text) for each in behind):
        raise UnprovedProbePointError("nothing holds the new g there")
    return "rsp", int(found[0]["displacement"], 0)


def _is_write_barrier(call: Instruction, name_of: Callable[[int], str | None]) -> bool:
    return call.target is not None and (name_of(call.target) or "").startswith(WRITE_BARRIER)
