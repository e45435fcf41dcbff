"""Where the heap and the queues of what it still has to call may be: runtime.mheap_, allfin, gcCleanups.

By symbols, by DWARF, and in stripped binaries by what the code of the runtime's functions touches. Where
runtime.firstmoduledata is, the pclntab says: see `Pclntab.moduledata`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.sources.memory import symbols
from gosonde_agent.sources.memory.references import references

VARIABLES = ("mheap_", "allfin", "gcCleanups")
#: They take the address of mheap_ itself, or lock it: its lock is its first field.
_HEAP_USERS = (
    "mallocinit gcSweep sweepone (*mcache).allocLarge (*sweepLocked).sweep stackpoolalloc stackalloc stackfree"
)
#: So many of them must agree.
_FEWEST_USERS = 3
#: How many addresses that they agree on are handed on to the proof.
MAX_HEAPS = 32
#: Each takes the address of gcCleanups.
_CLEANUP_USERS = ("freeSpecial", "findRunnable", "(*activeSweep).end")
#: It reads both queues, allfin and gcCleanups.all, as roots of the garbage collection.
_ROOTS = "markroot"


@dataclass(frozen=True, slots=True)
class HeapCandidates:
    """Link-time addresses to try, the likeliest first.

    Attributes:
        by: "symbols", "DWARF" or "instructions".
        cleanups: Of runtime.gcCleanups; empty before Go 1.25, which has none.
    """

    by: str
    mheap: Sequence[int]
    allfin: Sequence[int]
    cleanups: Sequence[int]


def find(image: ElfImage, fd: int, pclntab: Pclntab, layout: Layout) -> HeapCandidates:
    """The candidates in a binary; `layout` is its Go version's."""
    wanted = {f"runtime.{name}" for name in VARIABLES}
    known, by = symbols.from_symbol_table(image, wanted), "symbols"
    if "runtime.mheap_" not in known:
        known, by = symbols.from_dwarf(fd, wanted), "DWARF"
    if "runtime.mheap_" not in known:
        return from_instructions(image, pclntab, layout)
    mheap, allfin, cleanups = ([known[name]] if (name := f"runtime.{each}") in known else [] for each in VARIABLES)
    return HeapCandidates(by, mheap, allfin, cleanups)


def from_instructions(image: ElfImage, pclntab: Pclntab, layout: Layout) -> HeapCandidates:
    """The candidates that the code of the runtime's functions gives."""

    def touched(name: str, *, is_address: bool) -> set[int]:
        found = references(image, pclntab, [f"runtime.{name}"])
        return {reference.address for reference in found if reference.is_address is is_address}

    users = Counter(address for name in _HEAP_USERS.split() for address in touched(name, is_address=True))
    agreed = [address for address, count in users.most_common() if count >= _FEWEST_USERS and address % 8 == 0]
    roots = {address for address in touched(_ROOTS, is_address=False) if address % 8 == 0}
    all_cleanups = layout.fields("cleanupQueue").get("all")
    queues = set.intersection(*(touched(name, is_address=True) for name in _CLEANUP_USERS))
    return HeapCandidates(
        "instructions",
        agreed[:MAX_HEAPS],
        sorted(roots & touched("queuefinalizer", is_address=False)),
        [] if all_cleanups is None else sorted(address for address in queues if address + all_cleanups in roots),
    )
