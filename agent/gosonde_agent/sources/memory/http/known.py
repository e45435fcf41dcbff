"""What a reading of one process needs: its memory, its types, its limits."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.sources.memory.http.seen import Texts
from gosonde_agent.sources.memory.http.stacks import Learnt
from gosonde_agent.sources.memory.http.structs import Struct
from gosonde_agent.sources.memory.layout import goroutine_layout
from gosonde_agent.sources.memory.reachability.awaited import SudogLayout, awaited_channels
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.named_types import NamedTypes
from gosonde_agent.sources.memory.reachability.rows import U64, Bools
from gosonde_agent.sources.memory.reachability.runtime_types import RuntimeTypes
from gosonde_agent.sources.memory.target import Target

#: What one reading takes at most.
LIMITS: Final = Limits(cpu_seconds=10.0, seconds=60.0, read_bytes=4 << 30)


class Known:
    """Of one process, for one reading.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.memory = target.runtime.memory
        self.meter = Meter(LIMITS)
        self.goroutine = goroutine_layout(target.runtime.layout)
        self._sudog = SudogLayout(target.runtime.layout)
        self.texts = Texts(self.memory)
        self.types = RuntimeTypes(target.runtime, target.pclntab.moduledata, parse_version(target.go_version).minor)
        self.learnt: Learnt = {}
        self._named: NamedTypes | None = None
        self._structs: dict[tuple[str, str], Struct | None] = {}

    def struct(self, package: str, name: str, fields: Sequence[str]) -> Struct | None:
        """A struct type by its package's path and its name ("http.conn").

        None where the process does not describe it, or it lacks one of the fields, as in a version that is not known.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        key = package, name
        if key not in self._structs:
            self._named = self._named or NamedTypes(self.target.runtime, self.types)
            found = self._named.struct(package, name)
            struct = Struct(found) if found is not None else None
            self._structs[key] = struct if struct is not None and all(map(struct.has, fields)) else None
        return self._structs[key]

    def wait_for(self, goroutines: Goroutines, channels: U64) -> Bools:
        """bool[n]: which goroutines wait for a channel, each for another one, or for that and others.

        Raises:
            NotDecidedError: They wait for too many.
            GosondeError: The process has ended, or may not be read.
        """
        awaited = awaited_channels(self.memory, self._sudog, goroutines, np.arange(len(goroutines)), self.meter)
        found = np.zeros(len(goroutines), np.bool_)
        found[awaited.row[awaited.address == channels[awaited.row]]] = True
        return found
