"""Finds types of a running program by their names: their descriptions (abi.Type) stay in every binary, stripped or not.

A struct that an interface may hold, or that a pointer in such a one leads to, is described with all its fields. So
their offsets are the process's own, and no table of Go versions is needed.
"""

from typing import Final

import numpy as np

from gosonde_agent.golang.go_types import GoType, Kind
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.runtime_types import STR, RuntimeTypes
from gosonde_agent.sources.memory.runtime import Runtime

#: Descriptions lie in such steps.
STEP: Final = 8
#: The most bytes of types and names that are searched.
MAX_BYTES: Final = 128 << 20
#: Names that are the same, and places that may be descriptions of one: more than chance makes.
MOST: Final = 4_096


class NamedTypes:
    """Searches the descriptions of the main module of one process; they are read once.

    Attributes:
        types: Reads one of them.
        begin: Where they and their names lie, the address of the first one.
        end: Behind the last one.

    Raises:
        ImplausibleMemoryError: Where types lie is not a place of a possible size.
        GosondeError: The process has ended, or may not be read.
    """

    def __init__(self, runtime: Runtime, types: RuntimeTypes) -> None:
        self.types = types
        self.begin, self.end = types.extent()
        if not 0 < self.begin < self.end <= self.begin + MAX_BYTES:
            raise ImplausibleMemoryError(
                f"process {runtime.pid} claims to have types from {self.begin:#x} to {self.end:#x}"
            )
        self._data = runtime.memory.read(self.begin, (self.end - self.begin) & ~(STEP - 1))

    def named(self, name: str, kind: Kind) -> dict[int, GoType]:
        """By address, the types of a kind that have a name, with its package's ("http.conn").

        Raises:
            ImplausibleMemoryError: More claim to have it than can be.
            GosondeError: The process has ended, or may not be read.
        """
        found: dict[int, GoType] = {}
        # A description has the name of the pointer to its type.
        for address in self._saying(f"*{name.lstrip('*')}".encode()):
            try:
                described = self.types.describe(address)
            except (ImplausibleMemoryError, UnreadableMemoryError):
                continue  # any number may look like the offset of a name
            if described.kind is kind and described.name == name:
                found[address] = described
        return found

    def struct(self, package: str, name: str) -> GoType | None:
        """The struct type of a package's path ("net/http") and a name as in `named`; None without. Raises as that."""
        for address, described in self.named(name, Kind.STRUCT).items():
            try:
                if self.types.package(address) == package:
                    return described
            except (ImplausibleMemoryError, UnreadableMemoryError):
                continue
        return None

    def _saying(self, text: bytes) -> list[int]:
        """Where there may be a description that has a name: its offset among the types is at a certain place."""
        wanted, place = bytes([len(text)]) + text, 0
        offsets: list[int] = []
        while (place := self._data.find(wanted, place)) > 0 and len(offsets) < MOST:
            offsets.append(place - 1)
            place += 1
        names = np.frombuffer(self._data, "<i4")[STR // 4 :: STEP // 4]
        found = np.flatnonzero(np.isin(names, np.array(offsets, np.int32)))
        if len(found) > MOST:
            raise ImplausibleMemoryError(f"{len(found)} types claim to be {text.decode()}")
        return [self.begin + STEP * at for at in found.tolist()]
