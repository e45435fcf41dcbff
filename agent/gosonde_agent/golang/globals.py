"""Which package variable lies at an address: by the symbol table, else by DWARF, else by the section.

Of a table with hundreds of thousands of symbols only variables are kept, their names in one block of bytes.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.dwarf_types import DwarfTypes
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.model.errors import MalformedBinaryError

#: Elf64_Sym.
SYMBOL: Final = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
STT_OBJECT: Final = 1
MAX_TABLE: Final = 256 << 20
#: Variables that are kept; a table with more is taken for none.
MAX_SYMBOLS: Final = 1 << 20
MAX_NAME: Final = 1_024
#: Of all files together; the symbols of one large program take some 5 MB.
MAX_KEPT_BYTES: Final = 32 << 20
#: Variables of the same address, and smaller ones within larger ones, that are looked at.
MAX_OVERLAPS: Final = 8


@dataclass(frozen=True, slots=True)
class Global:
    """A variable: link-time address and size in bytes; or a section, of which only the beginning is known (size 0)."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Symbols:
    """The variables of a symbol table, sorted by address.

    Attributes:
        addresses, sizes: uint64[n].
        names: int64[n]: where in `text` each name begins; a zero byte ends it.
    """

    addresses: npt.NDArray[np.uint64]
    sizes: npt.NDArray[np.uint64]
    names: npt.NDArray[np.int64]
    text: bytes

    @property
    def weight(self) -> int:
        """Bytes of memory that it needs."""
        return self.addresses.nbytes + self.sizes.nbytes + self.names.nbytes + len(self.text)

    def at(self, address: int) -> Global | None:
        """The variable that an address lies in."""
        last = int(np.searchsorted(self.addresses, np.uint64(address), "right"))
        for index in range(last - 1, max(last - 1 - MAX_OVERLAPS, -1), -1):
            begin, size = int(self.addresses[index]), int(self.sizes[index])
            if address - begin < size:
                return Global(_text_at(self.text, int(self.names[index])), begin, size)
        return None


EMPTY: Final = Symbols(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64), b"")


def read_symbols(image: ElfImage) -> Symbols:
    """The variables of .symtab; none where there is no such table, or one that is damaged or larger than any."""
    table, strings = image.sections.get(".symtab"), image.sections.get(".strtab")
    if table is None or strings is None or max(table.size, strings.size) > MAX_TABLE:
        return EMPTY
    try:
        raw, text = image.section_bytes(table), image.section_bytes(strings)
    except MalformedBinaryError:
        return EMPTY
    symbols = np.frombuffer(raw[: len(raw) - len(raw) % SYMBOL.itemsize], SYMBOL)
    is_variable = (symbols["info"] & 15 == STT_OBJECT) & (symbols["size"] > 0) & (symbols["name"] < len(text))
    symbols = symbols[is_variable]
    if len(symbols) > MAX_SYMBOLS:
        return EMPTY
    symbols = symbols[np.argsort(symbols["value"], kind="stable")]
    names = [_bytes_at(text, position) + b"\0" for position in symbols["name"].tolist()]
    starts = np.cumsum([0, *map(len, names)])[:-1]
    return Symbols(symbols["value"].copy(), symbols["size"].copy(), starts.astype(np.int64), b"".join(names))


def _bytes_at(text: bytes, position: int) -> bytes:
    end = text.find(b"\0", position, position + MAX_NAME)
    return text[position : end if end >= 0 else position + MAX_NAME]


def _text_at(text: bytes, position: int) -> str:
    return _bytes_at(text, position).decode("utf-8", "replace")


class KnownSymbols:
    """The symbols of files that were read before: at most MAX_KEPT_BYTES of them, those that were asked for last."""

    def __init__(self) -> None:
        self._known: BoundedCache[Hashable, Symbols] = BoundedCache(MAX_KEPT_BYTES, lambda symbols: symbols.weight)

    def of(self, identity: Hashable, image: ElfImage) -> Symbols:
        """Those of a file; see `read_symbols`."""
        return self._known.get(identity, lambda _identity: read_symbols(image))


class Globals:
    """The variables of one file.

    Args:
        types: Its DWARF, where it has any: names what the symbol table does not.
    """

    def __init__(self, image: ElfImage, symbols: Symbols, types: DwarfTypes | None = None) -> None:
        self._symbols = symbols
        self._types = types
        loaded = (each for each in image.sections.values() if each.vaddr and "debug_" not in each.name)
        self._sections = sorted((section.vaddr, section.name) for section in loaded)

    def at(self, address: int) -> Global | None:
        """What lies at a link-time address: a variable, else the section; None below all sections."""
        found = self._symbols.at(address)
        if found is None and self._types is not None:
            variable = self._types.variable_at(address)
            found = None if variable is None else Global(variable.name, variable.address, variable.type.size)
        if found is not None:
            return found
        below = [(begin, name) for begin, name in self._sections if begin <= address]
        return Global(below[-1][1], below[-1][0], 0) if below else None
