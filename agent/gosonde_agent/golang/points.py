"""Finds the probe points of one binary: which functions, which registers, and what contradicts what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gosonde_common.errors import GosondeError

from gosonde_agent.golang import symtab
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.gopc_proof import gopc_offset
from gosonde_agent.golang.gopc_store import GopcStore, find_gopc_store
from gosonde_agent.golang.instructions import MACHINES, Instruction, decode
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pclntab import Function, Pclntab
from gosonde_agent.golang.probe_points import ProbePoint, entry_point, last_call_point
from gosonde_agent.golang.refill import Refill, find_refill
from gosonde_agent.model.errors import (
    MalformedBinaryError,
    UnprovedProbePointError,
    UnsupportedBinaryError,
)

#: Probes without which a binary is not watched at all.
ESSENTIAL = ("created", "exited")
CREATOR = "runtime.newproc1"
STOP = "runtime.stopTheWorldWithSema"

#: What a function's return address is at its entry: on the stack, or in the link register.
RETURN_ADDRESS = {"amd64": "rsp", "arm64": "x30"}


@dataclass(frozen=True, slots=True)
class Points:
    """What was found.

    Attributes:
        points: Proved probe points by probe name.
        unproved: Why a probe has no point, by probe name.
        code: The bytes of each function that has a probe, by its link-time address: what the proofs rest on.
        gc_stop_callers: Up to Go 1.20, where the GC's calls of stopTheWorldWithSema return to: (first, size) of the
            addresses of runtime.systemstack, relative to the probe `stopped`. None when stops have a reason.
        refill: What one of 16 creations passes; None where that is not proved.
        gopc_store: Where a new goroutine gets its creation address; None where that is not proved.
    """

    points: Mapping[str, ProbePoint]
    unproved: Mapping[str, str]
    code: Mapping[int, bytes]
    gc_stop_callers: tuple[int, int] | None
    refill: Refill | None = None
    gopc_store: GopcStore | None = None


def gopc_shown_by_code(image: ElfImage, pclntab: Pclntab, layout: Layout) -> int | None:
    """Offset of gopc in runtime.g as runtime.newproc1 stores it; None when its code does not show it."""
    finder = Finder(image, pclntab)
    _function, instructions = finder.function(CREATOR)
    return gopc_offset(instructions, finder.machine, layout.callerpc)


def find_points(image: ElfImage, pclntab: Pclntab, layout: Layout) -> Points:
    """All probe points of a binary.

    Raises:
        UnsupportedBinaryError: Its symbol table contradicts its pclntab.
        UnprovedProbePointError: No safe place for an essential probe is proved.
    """
    finder = Finder(image, pclntab)
    arguments = finder.machine.arguments
    returns = RETURN_ADDRESS[image.architecture]
    stop_registers = frozenset({arguments[0] if layout.has_stop_reason else returns})
    searches: dict[str, Callable[[str], ProbePoint]] = {
        "created": lambda probe: finder.entry(probe, CREATOR, frozenset({arguments[0], arguments[layout.callerpc]})),
        "exited": lambda probe: finder.entry(probe, layout.exit_function, frozenset({arguments[0]}), behind_calls=True),
        "parked": lambda probe: finder.entry(probe, "runtime.gopark", frozenset({arguments[2]})),
        "stopped": lambda probe: finder.entry(probe, STOP, stop_registers),
        "started": lambda probe: finder.last_call(probe, "runtime.startTheWorldWithSema", "runtime.wakep"),
        "status_changed": lambda probe: finder.entry(probe, "runtime.casgstatus", frozenset(arguments[:3])),
        "mark_termination": lambda probe: finder.entry(probe, "runtime.gcMarkTermination", frozenset()),
    }
    points: dict[str, ProbePoint] = {}
    unproved: dict[str, str] = {}
    for probe, search in searches.items():
        try:
            points[probe] = search(probe)
        except GosondeError as error:
            if probe in ESSENTIAL:
                raise UnprovedProbePointError(f"no safe place for the probe {probe!r}: {error}") from error
            unproved[probe] = str(error)
    finder.refuse_other_symbols()
    callers = None
    if "stopped" in points and not layout.has_stop_reason:
        callers = _gc_stop_callers(pclntab, points["stopped"])
    return Points(points, unproved, finder.code, callers, finder.refill(layout), finder.gopc_store(layout))


def _gc_stop_callers(pclntab: Pclntab, stopped: ProbePoint) -> tuple[int, int] | None:
    """The GC calls systemstack(stopTheWorldWithSema), others call it from a function of their own."""
    systemstack = pclntab.find("runtime.systemstack")
    if systemstack is None:
        return None
    return systemstack.entry - stopped.vaddr, systemstack.end - systemstack.entry


class Finder:
    """Looks up functions and proves points in them."""

    def __init__(self, image: ElfImage, pclntab: Pclntab) -> None:
        self._image = image
        self._pclntab = pclntab
        self._functions: dict[str, Function] = {}
        self.machine = MACHINES[image.architecture]
        self.code: dict[int, bytes] = {}

    def find(self, name: str) -> Function:
        """A function that must be there.

        Raises:
            UnprovedProbePointError: It is not.
        """
        function = self._functions.get(name) or self._pclntab.find(name)
        if function is None:
            raise UnprovedProbePointError(f"the binary has no function {name}, or several: is it obfuscated?")
        self._functions[name] = function
        return function

    def function(self, name: str) -> tuple[Function, list[Instruction]]:
        """A function and its instructions."""
        function = self.find(name)
        size = function.end - function.entry
        if not 0 < size <= 1 << 20:
            raise MalformedBinaryError(f"{name} claims {size} bytes of code")
        code = self.code[function.entry] = self._image.read(function.entry, size)
        return function, decode(code, function.entry, self.machine.name)

    def _name_of(self, address: int) -> str | None:
        function = self._pclntab.function_of(address)
        return function.name if function is not None and function.entry == address else None

    def entry(self, probe: str, name: str, registers: frozenset[str], *, behind_calls: bool = False) -> ProbePoint:
        """A point near a function's entry."""
        _function, instructions = self.function(name)
        return entry_point(
            probe, name, instructions, registers, self._name_of, machine=self.machine, behind_calls=behind_calls
        )

    def refill(self, layout: Layout) -> Refill | None:
        """Where goroutine ids are taken, where that is proved."""
        try:
            return find_refill(self.function(CREATOR)[1], self.machine, layout, self._name_of)
        except GosondeError:
            return None

    def gopc_store(self, layout: Layout) -> GopcStore | None:
        """Where gopc is stored, where that is proved."""
        try:
            return find_gopc_store(self.function(CREATOR)[1], self.machine, layout)
        except GosondeError:
            return None

    def last_call(self, probe: str, name: str, callee_name: str) -> ProbePoint:
        """The last call of another function."""
        _function, instructions = self.function(name)
        return last_call_point(probe, name, instructions, self.find(callee_name).entry, callee_name)

    def refuse_other_symbols(self) -> None:
        """Compares every function that was looked up with the symbol table, where there is one.

        Raises:
            UnsupportedBinaryError: It has another address there.
        """
        for name, address in symtab.addresses(self._image, self._functions).items():
            if address != self._functions[name].entry:
                raise UnsupportedBinaryError(
                    f"its symbol table has {name} at {address:#x}, its pclntab at {self._functions[name].entry:#x}: "
                    "they contradict each other"
                )
