"""Values of one struct type at many addresses, read at once; offsets are those that the process itself describes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from gosonde_agent.golang.go_types import GoType, Kind
from gosonde_agent.sources.memory.errors import NotLocatedError
from gosonde_agent.sources.memory.reachability.rows import I64, U64, numbers, words
from gosonde_agent.sources.memory.reader import ProcessMemory

#: No struct of these packages is larger.
MAX_SIZE: Final = 4_096
WORD: Final = 8


@dataclass(frozen=True)
class Struct:
    """A struct type."""

    type: GoType

    @cached_property
    def size(self) -> int:
        """In bytes.

        Raises:
            NotLocatedError: No struct that is read here is as large.
        """
        if not 0 < self.type.size <= MAX_SIZE:
            raise NotLocatedError(f"{self.type.name} claims to have {self.type.size} bytes")
        return self.type.size

    def offset(self, path: str, size: int = WORD) -> int:
        """Of a field, "cacheKey.addr" for one of a struct in it, which has so many bytes at least.

        Raises:
            NotLocatedError: It has none, or not in itself.
            GosondeError: Nothing describes a type on the way.
        """
        offset, _of = self._found(path)
        if offset + size > self.size:
            raise NotLocatedError(f"{self.type.name}.{path} lies outside of it")
        return offset

    def has(self, path: str) -> bool:
        """Whether it has a field.

        Raises:
            GosondeError: Nothing describes a type on the way.
        """
        try:
            self._found(path)
        except NotLocatedError:
            return False
        return True

    def pointee(self, path: str) -> "Struct":
        """What the pointer in a field points at.

        Raises:
            NotLocatedError: It is no pointer to a struct.
            GosondeError: Nothing describes a type on the way.
        """
        _offset, of = self._found(path)
        found = of.other(of.element) if of.kind is Kind.POINTER and of.element else None
        if found is None or found.kind is not Kind.STRUCT:
            raise NotLocatedError(f"{self.type.name}.{path} does not point to a struct")
        return Struct(found)

    def _found(self, path: str) -> tuple[int, GoType]:
        offset, of = 0, self.type
        for name in path.split("."):
            field = next((field for field in of.fields if field.name == name), None)
            if field is None:
                raise NotLocatedError(f"{self.type.name} has no field {path}")
            offset, of = offset + field.offset, of.other(field.type)
        return offset, of


class Values:
    """What is at some addresses, each taken for a struct of one type.

    Attributes:
        at: uint64[n].
        whole: bool[n]: there is memory for all of it; the fields of what is not are 0.
    """

    def __init__(self, memory: ProcessMemory, struct: Struct, at: U64) -> None:
        """Reads them.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        self.struct = struct
        self.at = at
        self._rows, self.whole = memory.read_each(at, struct.size)

    def words(self, path: str, further: int = 0) -> U64:
        """uint64[n]: a field, or what lies so many bytes behind where it begins.

        Raises:
            NotLocatedError: As `Struct.offset`.
        """
        return words(self._rows, self.struct.offset(path, further + WORD) + further)

    def numbers(self, path: str, size: int) -> I64:
        """int64[n]: a field of 1, 2 or 4 bytes.

        Raises:
            NotLocatedError: As `Struct.offset`.
        """
        return numbers(self._rows, self.struct.offset(path, size), size)
