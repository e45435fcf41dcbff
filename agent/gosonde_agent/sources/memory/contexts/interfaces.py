"""What the first words of interfaces say: of which type the value is, and of which interface it is one."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.sources.memory.contexts.types import WORD
from gosonde_agent.sources.memory.reachability.named_types import NamedTypes
from gosonde_agent.sources.memory.reachability.rows import U64, Bools, numbers, words
from gosonde_agent.sources.memory.reader import ProcessMemory

#: abi.ITab: Inter, Type, Hash; abi.Type has its hash at 16.
ITAB_BYTES, HASH_IN_ITAB, HASH_IN_TYPE = 24, 16, 16


@dataclass(frozen=True, slots=True)
class FirstWords:
    """Of some words, each.

    Attributes:
        type: Address of the description of the value's type; 0 where the word is no interface's.
        interface: Of the interface's own; 0 for `any`.
    """

    type: U64
    interface: U64


class Interfaces:
    """Understands them in one process."""

    def __init__(self, memory: ProcessMemory, types: NamedTypes) -> None:
        self._memory = memory
        self._begin, self._end = np.uint64(types.begin), np.uint64(types.end)

    def of(self, first: U64) -> FirstWords:
        """What each word says.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        different, which = np.unique(first, return_inverse=True)
        rows, whole = self._memory.read_each(different, ITAB_BYTES)
        interface, held = words(rows, 0), words(rows, WORD)
        is_itab = whole & self._has(interface) & self._has(held)
        hashes, readable = self._memory.read_each(held[is_itab] + np.uint64(HASH_IN_TYPE), 4)
        is_itab[is_itab] = readable & (numbers(hashes, 0, 4) == numbers(rows[is_itab], HASH_IN_ITAB, 4))
        types = np.where(is_itab, held, np.where(self._has(different), different, np.uint64(0)))
        which = which.reshape(-1)
        return FirstWords(types[which], np.where(is_itab, interface, np.uint64(0))[which])

    def _has(self, addresses: U64) -> Bools:
        """Which addresses may be types."""
        inside: Bools = (addresses >= self._begin) & (addresses < self._end) & (addresses % np.uint64(WORD) == 0)
        return inside
