"""Where the linker says that variables are: the ELF symbol table, else DWARF. A stripped binary has neither."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from gosonde_agent.golang.elf import ElfImage

#: Elf64_Sym.
SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
MAX_TABLE = 256 << 20
DW_OP_ADDR = 3
#: Entries of the runtime's compilation unit that are examined.
MAX_ENTRIES = 200_000
MAX_UNITS = 20_000


def from_symbol_table(image: ElfImage, names: Collection[str]) -> dict[str, int]:
    """Link-time addresses of the variables that .symtab has; those that it does not have are left out."""
    table, strings = image.sections.get(".symtab"), image.sections.get(".strtab")
    if table is None or strings is None or max(table.size, strings.size) > MAX_TABLE:
        return {}
    raw = image.section_bytes(table)
    symbols = np.frombuffer(raw[: len(raw) - len(raw) % SYMBOL.itemsize], SYMBOL)
    text = image.section_bytes(strings)
    found = {}
    for name in names:
        for position in _positions(text, name.encode()):
            values = symbols["value"][symbols["name"] == position]
            if len(values) and values[0]:
                found[name] = int(values[0])
    return found


def _positions(text: bytes, name: bytes) -> Iterator[int]:
    """Where a string table can name it: linkers let a name share the end of a longer one."""
    position = text.find(name + b"\0")
    while position >= 0:
        yield position
        position = text.find(name + b"\0", position + 1)


def from_dwarf(fd: int, names: Collection[str]) -> dict[str, int]:
    """Link-time addresses of the runtime's variables that DWARF has; none where it is missing or damaged."""
    from elftools.common.exceptions import DWARFError, ELFError  # noqa: PLC0415 - most binaries have a symbol table
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    try:
        with open(fd, "rb", closefd=False) as stream:
            elf: Any = ELFFile(stream)
            if not elf.has_dwarf_info():
                return {}
            return _variables(elf.get_dwarf_info(), names)
    except (ELFError, DWARFError, ValueError, KeyError, OSError, IndexError, AttributeError, AssertionError):
        return {}


def _variables(dwarf: Any, names: Collection[str]) -> dict[str, int]:  # noqa: ANN401  # pyelftools ships no types
    found: dict[str, int] = {}
    for _, unit in zip(range(MAX_UNITS), dwarf.iter_CUs(), strict=False):
        top = unit.get_top_DIE()
        name = top.attributes.get("DW_AT_name")
        if name is None or name.value != b"runtime":
            continue
        for _, entry in zip(range(MAX_ENTRIES), unit.iter_DIEs(), strict=False):
            if entry.tag == "DW_TAG_variable":
                _take(found, entry.attributes, names)
        break
    return found


def _take(found: dict[str, int], attributes: Any, names: Collection[str]) -> None:  # noqa: ANN401
    name, location = attributes.get("DW_AT_name"), attributes.get("DW_AT_location")
    if name is None or location is None or not isinstance(location.value, list):
        return
    text = name.value.decode("utf-8", "replace")
    if text in names and len(location.value) == 9 and location.value[0] == DW_OP_ADDR:
        found[text] = int.from_bytes(bytes(location.value[1:]), "little")
