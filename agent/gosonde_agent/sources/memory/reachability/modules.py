"""The global variables that may hold pointers: .data and .bss of every module, with the runtime's map of pointers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.rows import ADDRESS_LIMIT, U64, Bools
from gosonde_agent.sources.memory.runtime import Runtime

#: A program and its plugins.
MAX_MODULES = 4_096
#: The globals of one module, bytes.
MAX_GLOBALS = 1 << 30
#: Begin, end, and the map of what lies between: a bit for each word.
SECTIONS = (("data", "edata", "gcdatamask.bytedata"), ("bss", "ebss", "gcbssmask.bytedata"))
FIELDS = ("text", "etext", "noptrdata", "enoptrbss", "next", *(name for section in SECTIONS for name in section))


@dataclass(frozen=True, slots=True)
class Globals:
    """Global variables side by side.

    Attributes:
        start: Their address.
        size: Bytes, a multiple of 8.
    """

    start: int
    size: int
    _mask: npt.NDArray[np.uint8]

    def may_hold(self, addresses: U64) -> Bools:
        """Which words of them are pointers, by their types."""
        word = (addresses - np.uint64(self.start)) >> np.uint64(3)
        may: Bools = (self._mask[word >> np.uint64(3)] >> (word & np.uint64(7)).astype(np.uint8)) & 1 == 1
        return may


@dataclass(frozen=True, slots=True)
class Module:
    """A program or a plugin.

    Attributes:
        code: (begin, end) of its code.
        variables: (begin, end) of all its global variables.
        parts: Those that may hold pointers.
    """

    code: tuple[int, int]
    variables: tuple[int, int]
    parts: tuple[Globals, ...]


def read_modules(runtime: Runtime, moduledata: int) -> Iterator[Module]:
    """Each module; `moduledata` is the link-time address of firstmoduledata.

    Raises:
        ImplausibleMemoryError: The list of modules is inconsistent.
        GosondeError: The process has ended, or may not be read.
    """
    at = {name: runtime.layout.offset("moduledata", name) for name in FIELDS}
    address = moduledata + runtime.bias
    for _ in range(MAX_MODULES):
        words = np.frombuffer(runtime.memory.read(address, (max(at.values()) & ~7) + 8), "<u8").tolist()
        parts = [[words[at[name] // 8] for name in section] for section in SECTIONS]
        yield Module(
            (words[at["text"] // 8], words[at["etext"] // 8]),
            (words[at["noptrdata"] // 8], words[at["enoptrbss"] // 8]),
            tuple(_globals(runtime, *part) for part in parts),
        )
        address = words[at["next"] // 8]
        if not address:
            return
    raise ImplausibleMemoryError(f"process {runtime.pid} claims more than {MAX_MODULES} modules")


def _globals(runtime: Runtime, low: int, high: int, mask: int) -> Globals:
    if not 0 < low <= high < min(low + MAX_GLOBALS, ADDRESS_LIMIT) or low % 8:
        raise ImplausibleMemoryError(f"a module of process {runtime.pid} has globals from {low:#x} to {high:#x}")
    size = (high - low) & ~7
    bits = runtime.memory.read(mask, (size // 8 + 7) // 8)
    return Globals(low, size, np.frombuffer(bits, np.uint8))
