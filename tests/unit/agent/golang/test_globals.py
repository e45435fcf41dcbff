import struct

import numpy as np
import pytest
from gosonde_agent.golang.dwarf_types import DwarfTypes
from gosonde_agent.golang.globals import (
    Global,
    Globals,
    KnownSymbols,
    read_symbols,
)

from tests.unit.agent.golang.elf_file import Description, image

FUNCTION, OBJECT = 2, 1


def table(*symbols: tuple[str, int, int, int]) -> dict[str, bytes]:
    """A symbol table of (name, kind, address, size)."""
    text, rows = b"\0", b""
    for name, kind, address, size in symbols:
        rows += struct.pack("<IBBHQQ", len(text), kind | 0x10, 0, 1, address, size)
        text += name.encode() + b"\0"
    return {".symtab": rows, ".strtab": text}


def test_an_address_within_a_variable_gives_its_name() -> None:
    made = image(table(("main.f", FUNCTION, 0x1000, 64), ("main.b", OBJECT, 0x2010, 8), ("main.a", OBJECT, 0x2000, 16)))
    variables = Globals(made, read_symbols(made))
    assert variables.at(0x2008) == Global("main.a", 0x2000, 16)
    assert variables.at(0x2010) == Global("main.b", 0x2010, 8)
    assert variables.at(0x1000) is None
    assert variables.at(0x2018) is None


def test_a_variable_around_a_smaller_one_is_found_behind_it() -> None:
    made = image(table(("outer", OBJECT, 0x2000, 64), ("inner", OBJECT, 0x2010, 8)))
    assert Globals(made, read_symbols(made)).at(0x2020) == Global("outer", 0x2000, 64)


def test_without_symbols_the_dwarf_names_a_variable() -> None:
    description = Description()
    description.variable("main.held", 0x2000, description.base("int", 8))
    made = image(description.sections())
    assert Globals(made, read_symbols(made), DwarfTypes(made)).at(0x2004) == Global("main.held", 0x2000, 8)


def test_without_both_the_section_stands_for_the_variable() -> None:
    made = image({".data": bytes(16), ".bss": b"", ".debug_line": bytes(8)}, {".data": 0x2000, ".bss": 0x3000})
    variables = Globals(made, read_symbols(made))
    assert variables.at(0x3234) == Global(".bss", 0x3000, 0)
    assert variables.at(0x2008) == Global(".data", 0x2000, 0)
    assert variables.at(0x1000) is None


@pytest.mark.parametrize("offset", [0, 4, 8, 16])
def test_damaged_symbols_are_no_reason_to_fail(offset: int) -> None:
    sections = table(("main.a", OBJECT, 0x2000, 16))
    rows = bytearray(sections[".symtab"])
    rows[offset : offset + 4] = b"\xff" * 4
    made = image(sections | {".symtab": bytes(rows)})
    found = Globals(made, read_symbols(made)).at(0x2000)
    assert found is None or found.name in ("main.a", "")


def test_a_name_without_an_end_is_cut() -> None:
    sections = table(("main.a", OBJECT, 0x2000, 16))
    made = image(sections | {".strtab": b"\0" + b"x" * 100_000})
    found = Globals(made, read_symbols(made)).at(0x2000)
    assert found is not None
    assert set(found.name) == {"x"}
    assert len(found.name) < 2_000


def test_symbols_of_a_file_are_read_once() -> None:
    known, made = KnownSymbols(), image(table(("main.a", OBJECT, 0x2000, 16)))
    first = known.of("a file", made)
    assert known.of("a file", image({})) is first
    assert np.array_equal(known.of("another file", image({})).addresses, np.zeros(0, np.uint64))
