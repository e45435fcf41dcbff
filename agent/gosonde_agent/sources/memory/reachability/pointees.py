"""What a pointer leads to, as its type says: values, a part of a map, a channel, a function and what it captured."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gosonde_agent.golang.go_types import GoType, Kind, Place, place_in
from gosonde_agent.sources.memory.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Values:
    """Values of a type, one behind the other.

    Attributes:
        begin: Address of the first.
        is_one: There may be no other behind it.
        is_part: They belong to what was named before, as the elements of a slice do.
    """

    type: GoType
    begin: int
    is_one: bool = True
    is_part: bool = False


class Part(Enum):
    """A kind of object that maps consist of."""

    HEADER = "header"
    DIRECTORY = "directory"
    TABLE = "table"
    CELLS = "cells"
    MORE = "more"


@dataclass(frozen=True, slots=True)
class MapPart:
    """An object of a map.

    Attributes:
        begin: Where the pointer points.
    """

    type: GoType
    part: Part
    begin: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel."""

    type: GoType


@dataclass(frozen=True, slots=True)
class Closure:
    """A function value: the address of the code, and captured variables."""


Pointee = Values | MapPart | Channel | Closure

#: runtime.hmap up to Go 1.23: buckets, oldbuckets and extra; mapextra.nextOverflow.
BUCKETS: Final = (16, 24)
EXTRA: Final = 40
NEXT_OVERFLOW: Final = 16
#: internal/runtime/maps.Map since Go 1.24: dirPtr and dirLen; table.groups.data.
DIRECTORY: Final = 16
DIRECTORY_LENGTH: Final = 24
GROUPS: Final = 16
#: Fields of a bucket or a group.
KEYS: Final = frozenset({"key", "keys"})
ELEMENTS: Final = frozenset({"elem", "elems", "values"})


def pointee(word: Place, value: int) -> Pointee | None:
    """What a pointer leads to whose place in its type is known, an interface's aside; None where the type says nothing.

    Raises:
        GosondeError: The type of what is pointed at is described by nothing.
    """
    kind = word.type
    if kind.kind is Kind.MAP:
        return MapPart(kind, Part.HEADER, value)
    if kind.kind is Kind.CHANNEL:
        return Channel(kind)
    if kind.kind is Kind.FUNCTION:
        return Closure()
    if kind.kind not in (Kind.POINTER, Kind.SLICE) or not kind.element or word.offset:
        return None
    element = kind.other(kind.element)
    is_slice = kind.kind is Kind.SLICE
    return Values(element, value, is_one=not is_slice, is_part=is_slice) if element.size > 0 else None


def next_part(runtime: Runtime, part: MapPart, offset: int) -> Part | None:
    """What kind of object of a map the word at an offset within another one points at; None where it is none.

    Raises:
        GosondeError: The process cannot be read, or nothing describes the map's groups.
    """
    if not part.type.cells:
        return None
    cells = part.type.other(part.type.cells)
    if part.part is Part.HEADER and not any(field.name == "ctrl" for field in cells.fields):
        return Part.CELLS if offset in BUCKETS else Part.MORE if offset == EXTRA else None
    if part.part is Part.HEADER and offset == DIRECTORY:
        length = runtime.memory.read(part.begin + DIRECTORY_LENGTH, 8)
        return Part.DIRECTORY if any(length) else Part.CELLS
    if part.part is Part.DIRECTORY:
        return Part.TABLE
    is_cells = (part.part, offset) in ((Part.TABLE, GROUPS), (Part.MORE, NEXT_OVERFLOW))
    return Part.CELLS if is_cells else None


def cell_at(part: MapPart, address: int) -> tuple[str, Place]:
    """What lies at an address in a map's buckets or groups: (text behind the map's type, the place in its type).

    Raises:
        GosondeError: Nothing describes them.
    """
    cells = part.type.other(part.type.cells)
    place = place_in(cells, (address - part.begin) % max(cells.size, 1))
    for at, name in enumerate(place.parts):
        if name in KEYS or name in ELEMENTS:
            behind = place.parts[at + 1 :]
            inner = behind[1:] if name in ("keys", "elems", "values") else behind
            text = Place(inner, place.type, 0).text
            word = " key" if name in KEYS else " value" if text else ""
            return word + text, place
    return "", place
