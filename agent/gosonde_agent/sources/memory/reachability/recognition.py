"""What an object is where the pointer to it has no type: by what lies beside that pointer, and by the object itself."""

import re
from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_agent.golang.go_types import GoType, Kind, place_in
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.sources.memory.reachability.pointees import (
    Channel,
    Closure,
    MapPart,
    Part,
    Pointee,
    Values,
    pointee,
)
from gosonde_agent.sources.memory.reachability.runtime_types import RuntimeTypes
from gosonde_agent.sources.memory.reachability.seen import Object, Word
from gosonde_agent.sources.memory.runtime import Runtime

WORD: Final = 8
#: Since Go 1.22 an object of such a size that holds pointers begins with the address of its type (mallocHeaderSize).
HEADER_SIZES: Final = range(513, 32_769)
HEADER_SINCE_MINOR: Final = 22
#: What the compiler calls the type of a map's groups or buckets, behind which it writes the map's key and element.
CELLS: Final = re.compile(r"(?:noalg\.)?map\.(?:group|bucket)(\[.*)", re.DOTALL)


class Recognition:
    """Recognises objects of one process.

    Args:
        descriptors: The types that it describes in its memory; None where they cannot be read.
        minor: Of the Go version.
    """

    def __init__(self, runtime: Runtime, pclntab: Pclntab, descriptors: RuntimeTypes | None, minor: int) -> None:
        self._memory = runtime.memory
        self._bias = runtime.bias
        self._hchan = runtime.layout.fields("hchan")
        self._pclntab = pclntab
        self._descriptors = descriptors
        self._has_headers = minor >= HEADER_SINCE_MINOR

    def recognised(self, word: Word, thing: Object) -> Pointee | None:
        """What an object is that a word points to; None where nothing says so.

        Raises:
            GosondeError: The process cannot be read.
        """
        found = self.of_interface(word) or self.channel(thing) or self._by_header(thing)
        return found or (Closure() if self.function(thing.address) else None)

    def of_interface(self, word: Word) -> Pointee | None:
        """What an interface holds, if the word is the second one of an interface.

        Raises:
            GosondeError: The process cannot be read.
        """
        if self._descriptors is None or word.address < WORD or word.is_first:
            return None
        found = self._descriptors.of_interface(self._word(word.address - WORD))
        if found is None:
            return None
        held, is_direct = found
        value = self._word(word.address)
        return pointee(place_in(held, 0), value) if is_direct else Values(held, value)

    def channel(self, thing: Object) -> Channel | None:
        """The object as a channel, if it is one: it names the type of its elements, and repeats their size.

        Raises:
            GosondeError: The process cannot be read.
        """
        at = self._hchan
        if "elemtype" not in at or not at["__size"] <= thing.size:
            return None
        found = self._type_at(thing.address + at["elemtype"])
        size = self._memory.read(thing.address + at["elemsize"], 2)
        if found is None or found.size != int.from_bytes(size, "little"):
            return None
        reference = self._word(thing.address + at["elemtype"])
        return Channel(GoType(f"chan {found.name}", Kind.CHANNEL, WORD, found.source, element=reference))

    def function(self, address: int) -> str:
        """The name of the function whose first instruction a word holds the address of, as in closures; else empty.

        Raises:
            GosondeError: The process or the table of functions cannot be read.
        """
        code = self._word(address) - self._bias
        function = self._pclntab.function_of(code) if code > 0 else None
        return function.name if function is not None and function.entry == code else ""

    def _by_header(self, thing: Object) -> Pointee | None:
        if not self._has_headers or thing.size not in HEADER_SIZES:
            return None
        found = self._type_at(thing.address)
        if found is None or not 0 < found.size <= thing.size - WORD:
            return None
        begin = thing.address + WORD
        cells = CELLS.fullmatch(found.name)
        if cells is not None:
            of_map = GoType(f"map{cells[1]}", Kind.MAP, WORD, found.source, cells=self._word(thing.address))
            return MapPart(of_map, Part.CELLS, begin)
        return Values(found, begin, is_one=False)

    def _type_at(self, address: int) -> GoType | None:
        """The type whose descriptor a word holds the address of."""
        try:
            return None if self._descriptors is None else self._descriptors.describe(self._word(address))
        except GosondeError:
            return None

    def _word(self, address: int) -> int:
        return int.from_bytes(self._memory.read(address, WORD), "little")
