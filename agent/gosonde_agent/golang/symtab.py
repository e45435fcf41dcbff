"""The ELF symbol table, for binaries that still have one: a second opinion on what pclntab says."""

from collections.abc import Collection

import numpy as np

from gosonde_agent.golang.elf import ElfImage

MAX_TABLE = 128 << 20
SYMBOL = np.dtype([("name", "<u4"), ("info", "<u4"), ("value", "<u8"), ("size", "<u8")])


def addresses(image: ElfImage, names: Collection[str]) -> dict[str, int]:
    """Link-time addresses of the functions that the symbol table has; those that it does not have are left out.

    A table of more than 128 MiB is not read: it has no opinion.
    """
    table, strings = image.sections.get(".symtab"), image.sections.get(".strtab")
    if table is None or strings is None or max(table.size, strings.size) > MAX_TABLE:
        return {}
    text = image.section_bytes(strings)
    offsets = {name: text.find(b"\0" + name.encode() + b"\0") + 1 for name in names}
    raw = image.section_bytes(table)
    symbols = np.frombuffer(raw[: len(raw) - len(raw) % SYMBOL.itemsize], SYMBOL)
    column = np.ascontiguousarray(symbols["name"])
    found = {}
    for name, offset in offsets.items():
        rows = np.flatnonzero(column == offset)
        if offset and len(rows) == 1:
            found[name] = int(symbols["value"][rows[0]])
    return found
