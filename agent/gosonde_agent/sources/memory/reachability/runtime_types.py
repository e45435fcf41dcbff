"""The types that a running program keeps descriptions of (abi.Type), which no strip removes: read from its memory.

An interface names the type of what it holds, and so does a large object. The descriptions are the process's own, and so
are not trusted: every length is bounded, and what is inconsistent is refused.
"""

from typing import Final

import numpy as np

from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.go_types import Field, GoType, Kind
from gosonde_agent.sources.memory.errors import (
    ImplausibleMemoryError,
    UnreadableMemoryError,
)
from gosonde_agent.sources.memory.runtime import Runtime

#: abi.Type, the same from Go 1.17 to 1.27: Size_ 0, Hash 16, TFlag 20, Kind_ 23, Str 40.
TYPE_BYTES: Final = 48
STR: Final = 40
#: abi.StructType.
STRUCT_BYTES: Final = 80
UNCOMMON: Final = 1 << 0
#: What follows an abi.Type: up to the end of a map's, the longest that is read.
MORE_BYTES: Final = 32
EXTRA_STAR: Final = 1 << 1
#: In the flags since Go 1.26, in the kind before.
DIRECT: Final = 1 << 5
KIND_MASK: Final = 31
LAST_KIND: Final = 26
FIELD_BYTES: Final = 24
MAX_FIELDS: Final = 4_096
MAX_NAME: Final = 1_024
#: Of a field's name so many bytes are read, with the flags and the length before it.
FIELD_NAME_BYTES: Final = 131
MAX_SIZE: Final = 1 << 48
MAX_KEPT: Final = 4_096
#: Up to Go 1.18 a field's offset is doubled, and its lowest bit says that it is embedded.
OFFSETS_SINCE_MINOR: Final = 19


class RuntimeTypes:
    """A `TypeSource` whose references are addresses of abi.Type in the process.

    Args:
        moduledata: Link-time address of runtime.firstmoduledata.
        minor: Of the Go version.

    Raises:
        GosondeError: Where types lie cannot be read.
    """

    def __init__(self, runtime: Runtime, moduledata: int, minor: int) -> None:
        self._memory = runtime.memory
        layout = runtime.layout
        self._begin = runtime.number(moduledata + layout.offset("moduledata", "types"))
        self._end = runtime.number(moduledata + layout.offset("moduledata", "etypes"))
        self._shift = int(minor < OFFSETS_SINCE_MINOR)
        self._kept: BoundedCache[int, GoType] = BoundedCache(MAX_KEPT)

    def describe(self, reference: int) -> GoType:
        """The type whose description is at an address.

        Raises:
            ImplausibleMemoryError: There is none.
            GosondeError: The process cannot be read.
        """
        return self._kept.get(reference, self._read)

    def extent(self) -> tuple[int, int]:
        """(begin, end) of the addresses that types and their names lie at."""
        return self._begin, self._end

    def package(self, reference: int) -> str:
        """The path of the package that declares the struct type at an address ("net/http"); empty where it has no name.

        It is in abi.UncommonType, behind abi.StructType.

        Raises:
            GosondeError: The process cannot be read.
        """
        data = self._memory.read(reference, STRUCT_BYTES + 4)
        if not data[20] & UNCOMMON:
            return ""
        return self._name(self._begin + int.from_bytes(data[STRUCT_BYTES:], "little", signed=True))

    def of_interface(self, word: int) -> tuple[GoType, bool] | None:
        """What an interface holds, by its first word: (type, whether the second word is the value itself).

        The word is the address of an abi.Type, or of an abi.ITab (Inter, Type, Hash); None when it is neither.

        Raises:
            GosondeError: The process cannot be read.
        """
        if not word or word % 8:
            return None
        try:
            reference = self._of_itab(word) or (word if self._has(word) else 0)
            if not reference:
                return None
            header = self._memory.read(reference, TYPE_BYTES)
            return self.describe(reference), bool((header[20] | header[23]) & DIRECT)
        except (ImplausibleMemoryError, UnreadableMemoryError):
            return None

    def _of_itab(self, word: int) -> int:
        """The type that an abi.ITab names, which repeats its hash; 0 when this is none."""
        try:
            words = np.frombuffer(self._memory.read(word, 24), "<u8").tolist()
            if not self._has(words[0]) or not self._has(words[1]):
                return 0
            is_one = self._memory.read(words[1] + 16, 4) == (words[2] & 0xFFFFFFFF).to_bytes(4, "little")
        except UnreadableMemoryError:
            return 0
        return words[1] if is_one else 0

    def _has(self, address: int) -> bool:
        return self._begin <= address < self._end and address % 8 == 0

    def _read(self, address: int) -> GoType:
        if not self._has(address):
            raise ImplausibleMemoryError(f"there is no type at {address:#x}")
        data = self._memory.read(address, TYPE_BYTES + MORE_BYTES)
        words = np.frombuffer(data, "<u8").tolist()
        size, number = words[0], data[23] & KIND_MASK
        if size >= MAX_SIZE or not 1 <= number <= LAST_KIND:
            raise ImplausibleMemoryError(f"the type at {address:#x} claims to be of kind {number} and {size} bytes")
        kind = Kind.of(number)
        name = self._name(self._begin + int.from_bytes(data[40:44], "little", signed=True))
        name = name[1:] if data[20] & EXTRA_STAR else name
        if kind is Kind.STRUCT:
            return GoType(name, kind, size, self, fields=self._fields(words[7], words[8]))
        if kind is Kind.ARRAY:
            return GoType(name, kind, size, self, element=words[6], length=words[8])
        if kind is Kind.MAP:
            return GoType(name, kind, size, self, element=words[7], cells=words[8])
        has_element = kind in (Kind.POINTER, Kind.SLICE, Kind.CHANNEL)
        return GoType(name, kind, size, self, element=words[6] if has_element else 0)

    def _name(self, address: int) -> str:
        """The name at an address (abi.Name): a byte of flags, the length as a varint, the text."""
        head = self._memory.read(address, 3)
        length, begin = _length(head)
        return self._memory.read(address + begin, min(length, MAX_NAME)).decode("utf-8", "replace")

    def _fields(self, first: int, count: int) -> tuple[Field, ...]:
        if count > MAX_FIELDS:
            raise ImplausibleMemoryError(f"a structure claims {count} fields")
        table = np.frombuffer(self._memory.read(first, count * FIELD_BYTES), "<u8").reshape(-1, 3)
        names, readable = self._memory.read_each(np.ascontiguousarray(table[:, 0]), FIELD_NAME_BYTES)
        if not readable.all():
            raise ImplausibleMemoryError("a structure has fields without names")
        offsets = table[:, 2] >> np.uint64(self._shift)
        if (offsets >= MAX_SIZE).any():
            raise ImplausibleMemoryError("a structure has fields outside of it")
        rows = zip(names, offsets.tolist(), table[:, 1].tolist(), strict=True)
        fields = [Field(_short_name(row.tobytes()), offset, reference) for row, offset, reference in rows]
        return tuple(sorted(fields, key=lambda field: field.offset))


def _length(head: bytes) -> tuple[int, int]:
    """(length of a name, where it begins behind the byte of flags)."""
    if head[1] < 0x80:
        return head[1], 2
    return head[1] & 0x7F | (head[2] & 0x7F) << 7, 3


def _short_name(data: bytes) -> str:
    length, begin = _length(data)
    return data[begin : begin + length].decode("utf-8", "replace")
