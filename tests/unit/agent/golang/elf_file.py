"""ELF files that a test makes up: sections with any content, one entry of DWARF after the other."""

import os
import struct
from collections.abc import Mapping

from gosonde_agent.golang.elf import ElfImage

HEADER = 64
SECTION = 64
#: Codes of the abbreviations below.
UNIT, VARIABLE, STRUCT, MEMBER, ARRAY, RANGE, TYPEDEF, POINTER, BASE = range(1, 10)
STRING, UDATA, DATA1, BLOCK1, REF_ADDR = 0x08, 0x0F, 0x0B, 0x0A, 0x10
NAME, LOCATION, TYPE, SIZE, OFFSET, COUNT, KIND = 0x03, 0x02, 0x49, 0x0B, 0x38, 0x37, 0x2900
#: (code, tag, has children, (attribute, form)...), as Go's linker has them.
ABBREVIATIONS = (
    (UNIT, 0x11, 1, (NAME, STRING)),
    (VARIABLE, 0x34, 0, (NAME, STRING), (LOCATION, BLOCK1), (TYPE, REF_ADDR)),
    (STRUCT, 0x13, 1, (NAME, STRING), (SIZE, UDATA), (KIND, DATA1)),
    (MEMBER, 0x0D, 0, (NAME, STRING), (OFFSET, UDATA), (TYPE, REF_ADDR)),
    (ARRAY, 0x01, 1, (NAME, STRING), (SIZE, UDATA), (TYPE, REF_ADDR)),
    (RANGE, 0x21, 0, (COUNT, UDATA)),
    (TYPEDEF, 0x16, 0, (NAME, STRING), (TYPE, REF_ADDR)),
    (POINTER, 0x0F, 0, (NAME, STRING), (TYPE, REF_ADDR)),
    (BASE, 0x24, 0, (NAME, STRING), (SIZE, UDATA)),
)


def image(sections: Mapping[str, bytes], addresses: Mapping[str, int] | None = None) -> ElfImage:
    """A file with these sections; `addresses` says where those are that are loaded."""
    names = b"\0" + b"".join(f"{name}\0".encode() for name in (*sections, ".shstrtab"))
    contents = {**sections, ".shstrtab": names}
    data, table = b"", bytes(SECTION)
    for name, content in contents.items():
        place = names.index(f"\0{name}\0".encode()) + 1
        address = (addresses or {}).get(name, 0)
        table += struct.pack("<IIQQQQIIQQ", place, 1, 0, address, HEADER + len(data), len(content), 0, 0, 1, 0)
        data += content
    identification = b"\x7fELF\x02\x01\x01" + bytes(9)
    rest = struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, HEADER + len(data), 0, 64, 56, 0, 64, len(contents) + 1, len(contents)
    )
    fd = os.memfd_create("made up")
    try:
        os.write(fd, identification + rest + data + table)
        return ElfImage(fd)
    finally:
        os.close(fd)


def number(value: int) -> bytes:
    """An unsigned LEB128 number."""
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


class Description:
    """A .debug_info of one unit, entry by entry; a reference is an offset in it."""

    def __init__(self) -> None:
        self._entries = bytes([UNIT]) + b"main\0"

    @property
    def here(self) -> int:
        """The offset of what is added next."""
        return 11 + len(self._entries)

    def variable(self, name: str, address: int, of: int) -> None:
        """A package's variable."""
        location = b"\x09\x03" + struct.pack("<Q", address)
        self._add(bytes([VARIABLE]) + name.encode() + b"\0" + location + struct.pack("<I", of))

    def struct(self, name: str, size: int, *members: tuple[str, int, int]) -> int:
        """A struct of (name, offset, type)."""
        fields = b"".join(
            bytes([MEMBER]) + name.encode() + b"\0" + number(offset) + struct.pack("<I", of)
            for name, offset, of in members
        )
        return self._add(bytes([STRUCT]) + name.encode() + b"\0" + number(size) + b"\x19" + fields + b"\0")

    def array(self, name: str, size: int, element: int, count: int) -> int:
        """An array."""
        entry = bytes([ARRAY]) + name.encode() + b"\0" + number(size) + struct.pack("<I", element)
        return self._add(entry + bytes([RANGE]) + number(count) + b"\0")

    def alias(self, name: str, of: int, *, is_pointer: bool = False) -> int:
        """Another name of a type, or a pointer to it."""
        code = POINTER if is_pointer else TYPEDEF
        return self._add(bytes([code]) + name.encode() + b"\0" + struct.pack("<I", of))

    def base(self, name: str, size: int) -> int:
        """A type of no parts."""
        return self._add(bytes([BASE]) + name.encode() + b"\0" + number(size))

    def _add(self, entry: bytes) -> int:
        here = self.here
        self._entries += entry
        return here

    def sections(self) -> dict[str, bytes]:
        """The sections of DWARF, of version 4."""
        table = b"".join(
            number(code) + number(tag) + bytes([children]) + b"".join(map(_pair, pairs)) + b"\0\0"
            for code, tag, children, *pairs in ABBREVIATIONS
        )
        body = struct.pack("<HIB", 4, 0, 8) + self._entries + b"\0"
        return {".debug_info": struct.pack("<I", len(body)) + body, ".debug_abbrev": table + b"\0"}


def _pair(pair: tuple[int, int]) -> bytes:
    return number(pair[0]) + number(pair[1])
