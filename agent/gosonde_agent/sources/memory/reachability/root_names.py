"""Names of roots: package variables, stacks by the function whose frame holds the pointer, timers, finalizers."""

from collections.abc import Container
from typing import Final

import numpy as np
from gosonde_common.errors import GosondeError

from gosonde_agent.golang.dwarf_types import DwarfTypes
from gosonde_agent.golang.globals import Globals
from gosonde_agent.golang.go_types import place_in
from gosonde_agent.golang.special_kinds import special_kinds
from gosonde_agent.sources.memory.reachability.frames import Frames
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.paths import Root
from gosonde_agent.sources.memory.reachability.processors import read_processors
from gosonde_agent.sources.memory.reachability.recognition import Recognition
from gosonde_agent.sources.memory.reachability.roots import (
    GLOBAL,
    PROCESSOR,
    SPECIAL,
    STACK,
)
from gosonde_agent.sources.memory.reachability.seen import LOCKS, NOWHERE, Seen, Word
from gosonde_agent.sources.memory.runtime import Runtime

INTERFACE_BYTES: Final = 16
#: Of the largest lock of package sync.
LOCK_BYTES: Final = 24
TIMER: Final = "timer"
SCHEDULER: Final = "scheduler"
SPECIALS: Final = "finalizer, cleanup or weak pointer"
QUEUED: Final = "queued finalizer or cleanup"
SOME_STACK: Final = "stack of a goroutine"


class RootNames:
    """Names the roots of one process.

    Args:
        types: The DWARF of its file, where it has any.
    """

    def __init__(
        self, runtime: Runtime, frames: Frames, variables: Globals, types: DwarfTypes | None, recognition: Recognition
    ) -> None:
        self._runtime = runtime
        self._frames = frames
        self._variables = variables
        self._types = types
        self._recognition = recognition

    def named(self, root: Root, goroutines: Goroutines, *, is_awaited: bool = False) -> Seen:
        """A root, or with `is_awaited` a variable that a goroutine waits for.

        Args:
            goroutines: Those of the scan that found it.
        """
        if root.kind == GLOBAL:
            if is_awaited:
                return self._typed_global(root.at, LOCKS) or self._global(root.at, LOCK_BYTES)
            return self._typed_global(root.at, ()) or self._global(root.at)
        if root.kind == STACK:
            return Seen(self.stack(root.goid, goroutines, root.at), Word(root.at))
        if root.kind == PROCESSOR:
            return Seen(self._in_scheduler(root.at), NOWHERE)
        return Seen(self._special(root.at) if root.kind == SPECIAL else QUEUED, NOWHERE)

    def stack(self, goid: int, goroutines: Goroutines, address: int = 0) -> str:
        """A goroutine's stack, by the function in whose frame an address lies, else by the goroutine's first one."""
        rows = np.flatnonzero(goroutines.goid == np.uint64(goid))
        if not len(rows):
            return SOME_STACK
        g = int(goroutines.at[rows[0]])
        function = self._frames.function_at(g, address) if address else ""
        function = function or self._frames.start_function(g)
        return f"stack of {function}" if function else SOME_STACK

    def _typed_global(self, at: int, whole: Container[str]) -> Seen | None:
        address = at - self._runtime.bias
        if self._types is None or address < 0:
            return None
        try:
            variable = self._types.variable_at(address)
            if variable is None:
                return None
            place = place_in(variable.type, address - variable.address, whole)
        except GosondeError:
            return None
        return Seen(variable.name + place.text, Word(at, place))

    def _global(self, at: int, whole: int = 0) -> Seen:
        """A variable by its symbol; of one of at most `whole` bytes it does not matter which part it is."""
        address = at - self._runtime.bias
        found = self._variables.at(address) if address >= 0 else None
        if found is None:
            return Seen(f"variable at {at:#x}", Word(at))
        offset = address - found.address
        if not found.size:
            return Seen(f"{found.name}+{offset:#x}", Word(at))
        is_interface = found.size == INTERFACE_BYTES and self._is_interface(Word(at))
        if not offset or is_interface or found.size <= whole:
            return Seen(found.name, Word(at))
        return Seen(f"{found.name}+{offset}", Word(at))

    def _is_interface(self, word: Word) -> bool:
        try:
            return self._recognition.of_interface(word) is not None
        except GosondeError:
            return False

    def _in_scheduler(self, at: int) -> str:
        """What lies in a P itself is the scheduler's; what else it leads to at once are its timers."""
        try:
            is_inside = bool(read_processors(self._runtime).holds(np.array([at], np.uint64))[0])
        except GosondeError:
            is_inside = True
        return SCHEDULER if is_inside else TIMER

    def _special(self, at: int) -> str:
        """By the kind that the special says it is of."""
        layout = self._runtime.layout
        try:
            kinds = special_kinds(layout)
            kind = self._runtime.memory.read(at + layout.offset("special", "kind"), 1)[0]
        except GosondeError:
            return SPECIALS
        names = {kinds.finalizer: "finalizer", kinds.weak_handle: "weak pointer", kinds.cleanup: "cleanup"}
        return names.get(kind, SPECIALS) if kind else SPECIALS
