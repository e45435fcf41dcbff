"""What timers keep alive, at the least: themselves, closures and what these point to, contexts, channels."""

from typing import Final

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.rows import I64, U64, joined, joined_numbers
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.timers.callbacks import Callbacks
from gosonde_agent.sources.memory.timers.layout import WORD

F64 = npt.NDArray[np.float64]
#: Of a closure so many words are looked at, behind the address of its code.
CAPTURED: Final = 8


class Retained:
    """Adds up the objects of one process's heap."""

    def __init__(self, memory: ProcessMemory, heap: HeapMap) -> None:
        self._memory = memory
        self._heap = heap

    def bytes_of(self, timers: U64, callbacks: Callbacks, weights: F64, rows: I64) -> int:
        """What some rows keep alive, each object once: of how many timers a row stands for, so many of its objects.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        columns = (timers, callbacks.closure, callbacks.context, callbacks.channel)
        numbers = self._heap.numbers(joined([column[rows] for column in columns]))
        captured, of_row = self._captured(callbacks.closure[rows])
        owner = joined_numbers([np.tile(rows, len(columns)), rows[of_row]])
        different, first = np.unique(joined_numbers([numbers, captured]), return_index=True)
        is_object = different >= 0
        _starts, sizes = self._heap.extent(different[is_object])
        return round(float((sizes.astype(np.float64) * weights[owner[first[is_object]]]).sum()))

    def _captured(self, closures: U64) -> tuple[I64, I64]:
        """(objects that closures point to, of which closure): a closure has the address of its code, then its words."""
        numbers = self._heap.numbers(closures)
        some = np.flatnonzero(numbers >= 0)
        starts, sizes = self._heap.extent(numbers[some])
        room = np.minimum((sizes // np.uint64(WORD)).astype(np.int64) - 1, CAPTURED)
        room = np.where(starts == closures[some], np.maximum(room, 0), 0)
        data, whole = self._memory.read_pieces(closures[some] + np.uint64(WORD), room * WORD)
        of = np.repeat(some, room)
        found = np.where(np.repeat(whole, room), self._heap.numbers(data.view("<u8").astype(np.uint64)), -1)
        return found, of
