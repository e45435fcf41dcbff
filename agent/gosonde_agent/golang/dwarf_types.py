"""The types of a program and of its variables, read one by one from the DWARF of a file that somebody else controls.

Nothing is read in advance but where variables are described: a search of .debug_info for their addresses. In a file of
100 MB that costs a fraction of a second, where reading all entries would cost minutes.
"""

import itertools
import re
import weakref
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.dwarf import damage, opened, release
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.go_types import Field, GoType, Kind
from gosonde_agent.model.errors import MalformedBinaryError

#: Attributes that Go adds (cmd/internal/dwarf).
GO_KIND: Final = 0x2900
GO_ELEMENT: Final = 0x2902
#: A location of 9 bytes, DW_OP_addr and an address below 2^48, as Go's linker writes it behind a variable's name.
LOCATION: Final = re.compile(rb"\x09\x03(.{6})\0\0", re.DOTALL)
MAX_VARIABLES: Final = 500_000
MAX_NAME: Final = 1_024
MAX_FIELDS: Final = 4_096
#: Entries that only name another.
MAX_TYPEDEFS: Final = 16
MAX_KEPT_TYPES: Final = 8_192
#: No value of Go is larger (runtime.maxAlloc).
MAX_SIZE: Final = 1 << 48
#: Places before an address that look like a variable's description and are none.
MAX_WRONG: Final = 16
#: From a map to the type of its groups or buckets: names of fields, and "*" for what a pointer points at.
WAYS_TO_CELLS: Final = (("*", "dirPtr", "*", "*", "groups", "data", "*"), ("*", "buckets", "*"))
TYPEDEF_KINDS: Final = frozenset({Kind.CHANNEL, Kind.INTERFACE, Kind.MAP})
TAGS: Final = {
    "DW_TAG_structure_type": Kind.STRUCT,
    "DW_TAG_array_type": Kind.ARRAY,
    "DW_TAG_pointer_type": Kind.POINTER,
    "DW_TAG_subroutine_type": Kind.FUNCTION,
}


@dataclass(frozen=True, slots=True)
class Variable:
    """A package's variable: its link-time address, and its type."""

    name: str
    address: int
    type: GoType


class DwarfTypes:
    """A `TypeSource` whose references are offsets in .debug_info. It holds that section, of at most 128 MiB.

    Raises:
        UnsupportedBinaryError: The file carries no DWARF, or in a form that is not understood.
        MalformedBinaryError: It contradicts itself, or is too large.
    """

    def __init__(self, image: ElfImage) -> None:
        self._parser, self._info = opened(image)
        weakref.finalize(self, release, self._parser)
        self._types: BoundedCache[int, GoType] = BoundedCache(MAX_KEPT_TYPES)
        matches = itertools.islice(LOCATION.finditer(self._info), MAX_VARIABLES)
        found = [(match[1], match.start()) for match in matches]
        addresses = np.frombuffer(b"".join(address + b"\0\0" for address, _ in found), "<u8")
        order = np.argsort(addresses, kind="stable")
        self._addresses = addresses[order]
        self._locations = np.array([place for _, place in found], np.int64)[order]

    # --- variables ---------------------------------------------------------------------------------------------------

    def variable_at(self, address: int) -> Variable | None:
        """The variable that a link-time address lies in; None where none is described."""
        last = int(np.searchsorted(self._addresses, np.uint64(address), "right"))
        for index in range(last - 1, max(last - 1 - MAX_WRONG, -1), -1):
            variable = self._variable(int(self._locations[index]), int(self._addresses[index]))
            if variable is not None:
                inside = address - variable.address < max(variable.type.size, 1)
                return variable if inside else None
        return None

    def _variable(self, location: int, address: int) -> Variable | None:
        """The variable whose description has its location at an offset; None when these bytes are no description."""
        start = max(location - MAX_NAME, 0)
        name = self._info[start:location]
        begin = next((index for index in range(len(name) - 2, -1, -1) if name[index] < 0x20), -1)
        if not name.endswith(b"\0") or begin < 0:
            return None
        try:
            entry = self._entry(start + begin)
            if entry.tag != "DW_TAG_variable" or entry.attributes["DW_AT_name"].value != name[begin + 1 : -1]:
                return None
            return Variable(_name(entry), address, self.describe(entry.attributes["DW_AT_type"].value))
        except (MalformedBinaryError, KeyError):
            return None

    # --- types -------------------------------------------------------------------------------------------------------

    def describe(self, reference: int) -> GoType:
        """The type at an offset in .debug_info.

        Raises:
            MalformedBinaryError: There is none, or its description is inconsistent.
        """
        return self._types.get(reference, self._described)

    def _described(self, reference: int) -> GoType:
        with damage():
            outer = self._entry(reference)
            entry, kind = self._resolved(outer)
            name, size = _name(outer) or _name(entry), _size(entry)
            if kind is Kind.STRUCT:
                return GoType(name, kind, size, self, fields=_fields(entry))
            if kind is Kind.ARRAY:
                length = _length(entry)
                element = _reference(entry, "DW_AT_type")
                size = size or length * self.describe(element).size
                return GoType(name, kind, _checked(size), self, length=length, element=element)
            if kind is Kind.POINTER:
                return GoType(name, kind, size or 8, self, element=_reference(entry, "DW_AT_type"))
            cells = self._cells(entry) if kind is Kind.MAP else 0
            size = size or (16 if kind is Kind.INTERFACE else 8)
            return GoType(name, kind, size, self, element=_reference(entry, GO_ELEMENT), cells=cells)

    def _resolved(self, entry: Any) -> tuple[Any, Kind]:  # noqa: ANN401  # pyelftools ships no types
        """(the entry behind all names, its kind)."""
        for _ in range(MAX_TYPEDEFS):
            attribute = entry.attributes.get(GO_KIND)
            kind = Kind.of(attribute.value if attribute else 0)
            if entry.tag != "DW_TAG_typedef" or kind in TYPEDEF_KINDS:
                return entry, kind or TAGS.get(entry.tag, Kind.PLAIN)
            entry = self._entry(_reference(entry, "DW_AT_type"))
        raise MalformedBinaryError("the DWARF names a type by itself")

    def _cells(self, entry: Any) -> int:  # noqa: ANN401
        """Where the type of a map's buckets or groups is described; 0 where it is not found."""
        for way in WAYS_TO_CELLS:
            reference = _reference(entry, "DW_AT_type")
            for part in way:
                reference = self._followed(reference, part) if reference else 0
            if reference:
                return reference
        return 0

    def _followed(self, reference: int, part: str) -> int:
        entry, kind = self._resolved(self._entry(reference))
        if part == "*":
            return _reference(entry, "DW_AT_type") if kind is Kind.POINTER else 0
        return next((field.type for field in _fields(entry) if field.name == part), 0)

    def _entry(self, offset: int) -> Any:  # noqa: ANN401
        if not 0 < offset < len(self._info):
            raise MalformedBinaryError(f"the DWARF names a description at {offset}, outside of it")
        with damage():
            return self._parser.get_DIE_from_refaddr(offset)


def _name(entry: Any) -> str:  # noqa: ANN401
    attribute = entry.attributes.get("DW_AT_name")
    value = attribute.value if attribute else b""
    return value[:MAX_NAME].decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _reference(entry: Any, attribute: str | int) -> int:  # noqa: ANN401
    """The offset in .debug_info that an attribute names; 0 without one."""
    found = entry.attributes.get(attribute)
    if found is None or not isinstance(found.value, int):
        return 0
    is_relative = found.form in ("DW_FORM_ref1", "DW_FORM_ref2", "DW_FORM_ref4", "DW_FORM_ref8", "DW_FORM_ref_udata")
    return int(found.value + entry.cu.cu_offset if is_relative else found.value)


def _number(entry: Any, attribute: str) -> int:  # noqa: ANN401
    found = entry.attributes.get(attribute)
    return found.value if found is not None and isinstance(found.value, int) else 0


def _size(entry: Any) -> int:  # noqa: ANN401
    return _checked(_number(entry, "DW_AT_byte_size"))


def _checked(size: int) -> int:
    if 0 <= size < MAX_SIZE:
        return size
    raise MalformedBinaryError(f"the DWARF has a type of {size} bytes")


def _fields(entry: Any) -> tuple[Field, ...]:  # noqa: ANN401
    fields: list[Field] = []
    for child in entry.iter_children():
        if child.has_children or len(fields) == MAX_FIELDS:
            raise MalformedBinaryError(f"a structure has more than {MAX_FIELDS} fields, or something else than fields")
        if child.tag == "DW_TAG_member":
            offset = _number(child, "DW_AT_data_member_location")
            fields.append(Field(_name(child), _checked(offset), _reference(child, "DW_AT_type")))
    return tuple(sorted(fields, key=lambda field: field.offset))


def _length(entry: Any) -> int:  # noqa: ANN401
    child = next(entry.iter_children(), None)
    is_range = child is not None and child.tag == "DW_TAG_subrange_type"
    return _checked(_number(child, "DW_AT_count")) if is_range else 0
