"""The words of many goroutines' stacks, read in windows: most are short, and a long one is read as it is walked."""

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.reader import ProcessMemory, windows

#: First window of a stack, and the ones after it, bytes.
FIRST_WINDOW = 2_048
NEXT_WINDOW = 16_384

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]


class StackWords:
    """Gives the walk the words that it asks for; row i is the stack that spans from `sps[i]` up to `highs[i]`."""

    def __init__(self, memory: ProcessMemory, sps: U64, highs: U64) -> None:
        self._memory = memory
        self._highs = highs
        sizes = np.minimum(highs - sps, np.uint64(FIRST_WINDOW)).astype(np.int64)
        self._starts = sps.copy()
        found = memory.read_places(sps, sizes)
        self._data, self._places = found.data, found.places
        self._sizes = np.where(found.whole, sizes, 0)

    def __call__(self, rows: I64, addresses: U64) -> tuple[U64, npt.NDArray[np.bool_]]:
        """(the word at each address, whether it could be read); addresses of one row only grow from call to call."""
        values, known = self._from_windows(rows, addresses)
        missing = np.flatnonzero(~known)
        if len(missing):
            self._read_on(rows[missing], addresses[missing])
            values[missing], known[missing] = self._from_windows(rows[missing], addresses[missing])
        return values, known

    def _from_windows(self, rows: I64, addresses: U64) -> tuple[U64, npt.NDArray[np.bool_]]:
        inside = addresses - self._starts[rows]
        known = (self._sizes[rows] >= 8) & (inside <= np.maximum(self._sizes[rows] - 8, 0).astype(np.uint64))
        values = np.zeros(len(rows), np.uint64)
        places = self._places[rows[known]] + inside[known].astype(np.int64)
        values[known] = windows(self._data, "<u8")[places]
        return values, known

    def _read_on(self, rows: I64, addresses: U64) -> None:
        """Replaces the windows of these rows by ones that begin at the addresses; the old ones go."""
        room = np.where(addresses < self._highs[rows], self._highs[rows] - addresses, np.uint64(0))
        sizes = np.minimum(room, np.uint64(NEXT_WINDOW)).astype(np.int64)
        fresh = self._memory.read_places(addresses, sizes)
        self._compact(rows)
        self._starts[rows] = addresses
        self._places[rows] = len(self._data) + fresh.places
        self._sizes[rows] = np.where(fresh.whole, sizes, 0)
        self._data = np.concatenate([self._data, fresh.data])

    def _compact(self, leaving: I64) -> None:
        """Drops the windows of rows that get new ones, so that a long stack holds one window at a time."""
        self._sizes[leaving] = 0
        if len(self._data) <= 2 * int(self._sizes.sum()) + NEXT_WINDOW:
            return
        kept = np.flatnonzero(self._sizes)
        pieces = [self._data[self._places[row] : self._places[row] + self._sizes[row]] for row in kept.tolist()]
        self._places[kept] = np.cumsum(self._sizes[kept]) - self._sizes[kept]
        self._data = np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)
