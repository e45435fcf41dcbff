"""Types of a Go program, as far as they say what a pointer in memory belongs to and points at.

Two places describe types: the DWARF of the file, and the descriptors that the runtime keeps in memory, even of a
stripped program. Both give `GoType`; a type names others by references that only its own source understands.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Protocol

#: Values in values (a struct in an array in a struct) that are followed.
MAX_DEPTH: Final = 64
POINTER_BYTES: Final = 8


class Kind(IntEnum):
    """abi.Kind, of those that hold pointers or consist of others; PLAIN is any other."""

    PLAIN = 0
    ARRAY = 17
    CHANNEL = 18
    FUNCTION = 19
    INTERFACE = 20
    MAP = 21
    POINTER = 22
    SLICE = 23
    STRING = 24
    STRUCT = 25
    UNSAFE_POINTER = 26

    @classmethod
    def of(cls, number: int) -> "Kind":
        """The kind that Go numbers so."""
        return cls(number) if number in cls._value2member_map_ else cls.PLAIN


class TypeSource(Protocol):
    """Where descriptions of types come from."""

    def describe(self, reference: int) -> "GoType":
        """The type of a reference.

        Raises:
            GosondeError: There is none, or its description is damaged.
        """


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct: where it begins, in bytes, and a reference to its type."""

    name: str
    offset: int
    type: int


@dataclass(frozen=True, slots=True)
class GoType:
    """A type.

    Attributes:
        name: As Go writes it: "main.hub", "map[string]chan int".
        size: In bytes; 0 where it is not known.
        source: Understands the references.
        fields: Of a struct, in the order of their offsets.
        length: Elements of an array.
        element: Reference to the type of what an array, slice, channel or map has, or a pointer points at; 0 for none.
        cells: Of a map: reference to the type of a bucket (up to Go 1.23) or a group; 0 where it is not known.
    """

    name: str
    kind: Kind
    size: int
    source: TypeSource = field(repr=False, compare=False)
    fields: tuple[Field, ...] = ()
    length: int = 0
    element: int = 0
    cells: int = 0

    def other(self, reference: int) -> "GoType":
        """A type that this one names.

        Raises:
            GosondeError: As `TypeSource.describe`.
        """
        return self.source.describe(reference)


@dataclass(frozen=True, slots=True)
class Place:
    """What lies at an offset within a value.

    Attributes:
        parts: The way there: names of fields, and indexes.
        type: Of the innermost value.
        offset: Within that value, in bytes.
    """

    parts: tuple[str | int, ...]
    type: GoType
    offset: int

    @property
    def text(self) -> str:
        """As Go writes it behind the value: ".subs[3].events"; empty for the value itself."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.parts)


def place_in(value: GoType, offset: int, whole: Container[str] = ()) -> Place:
    """The innermost value at an offset, which lies within the outer one.

    Args:
        whole: Names of types that are not looked into.

    Raises:
        GosondeError: A type on the way is described by nothing.
    """
    parts: list[str | int] = []
    for _ in range(MAX_DEPTH):
        if value.name in whole:
            break
        if value.kind is Kind.ARRAY and value.element:
            element = value.other(value.element)
            if element.size <= 0:
                break
            index, offset = divmod(offset, element.size)
            parts.append(index)
            value = element
        elif value.kind is Kind.STRUCT and (found := _field_at(value, offset)) is not None:
            named, value = found
            offset -= named.offset
            parts.append(named.name)
        else:
            break
    return Place(tuple(parts), value, offset)


def _field_at(struct: GoType, offset: int) -> tuple[Field, GoType] | None:
    """(the field that holds an offset, its type); None in padding. Fields of no size begin where others do."""
    for named in reversed(struct.fields):
        if named.offset <= offset:
            inner = struct.other(named.type)
            if offset < named.offset + inner.size:
                return named, inner
    return None
