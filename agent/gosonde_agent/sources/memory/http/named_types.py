"""Finds types of a running program by their names: their descriptions (abi.Type) stay in every binary, stripped or not.

A struct that an interface may hold, or that a pointer in such a one leads to, is described with all its fields. So
their offsets are the process's own, and no table of Go versions is needed.
"""

from typing import Final

import numpy as np

from gosonde_agent.golang.go_types import GoType, Kind
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, NotLocatedError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.runtime_types import STR, RuntimeTypes
from gosonde_agent.sources.memory.runtime import Runtime

#: The most bytes of types and names that are searched.
MAX_BYTES: Final = 128 << 20
#: Places that have the name, and types that have it, which are looked at.
MAX_PLACES: Final = 64


class NamedTypes:
    """Searches the descriptions of one process; they are read once.

    Raises:
        NotLocatedError: Where types lie is not a place of a possible size.
        GosondeError: The process has ended, or may not be read.
    """

    def __init__(self, runtime: Runtime, types: RuntimeTypes) -> None:
        self._types = types
        self._begin, end = types.extent()
        if not 0 < end - self._begin <= MAX_BYTES:
            raise NotLocatedError(f"process {runtime.pid} claims to have {end - self._begin} bytes of types")
        self._data = runtime.memory.read(self._begin, end - self._begin)
        whole = len(self._data) // 4 * 4
        self._numbers = np.frombuffer(self._data[:whole], "<i4")

    def struct(self, package: str, name: str) -> GoType | None:
        """The struct type of a package's path ("net/http") and a name with its package's ("http.conn"); None without.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        for offset in self._name_offsets(f"*{name}".encode()):
            places = np.flatnonzero(self._numbers == offset)[:MAX_PLACES] * 4 - STR
            for place in places[(places >= 0) & (places % 8 == 0)].tolist():
                if (found := self._described(self._begin + place, package, name)) is not None:
                    return found
        return None

    def _name_offsets(self, text: bytes) -> list[int]:
        """Where an abi.Name has a text: a byte of flags, the length, the text."""
        needle = bytes([len(text)]) + text
        found: list[int] = []
        at = self._data.find(needle)
        while at > 0 and len(found) < MAX_PLACES:
            found.append(at - 1)
            at = self._data.find(needle, at + 1)
        return found

    def _described(self, address: int, package: str, name: str) -> GoType | None:
        try:
            found = self._types.describe(address)
            is_it = found.kind is Kind.STRUCT and found.name == name and self._types.package(address) == package
        except (ImplausibleMemoryError, UnreadableMemoryError):
            return None
        return found if is_it else None
