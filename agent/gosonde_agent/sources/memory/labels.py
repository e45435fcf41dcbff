"""pprof's labels of goroutines: what runtime.g.labels leads to.

That is a runtime/pprof.labelMap, which nobody changes once a goroutine has it: a map up to Go 1.23, from Go 1.24 on a
slice of pairs (runtime/pprof/label.go).
"""

import numpy as np
import numpy.typing as npt
from gosonde_common.values.goroutines import MORE_LABELS, Labels

from gosonde_agent.sources.memory.label_maps import Places, string_map
from gosonde_agent.sources.memory.reader import ProcessMemory

#: Of one goroutine at most, and how many bytes of each key and value; longer ones end with CUT.
MOST_LABELS, MOST_BYTES = 16, 128
CUT = "…"
#: The first Go 1 minor version whose labels are a slice.
SLICES_SINCE = 24
#: struct { key, value string }.
PAIR, WORD = 32, 8
#: A longer one is none.
MOST_CLAIMED = 1 << 20
#: How often labels are read of goroutines that get others meanwhile.
TRIES = 3

U64 = npt.NDArray[np.uint64]


class LabelReader:
    """Reads labels in the memory of one process.

    Args:
        offset: Of runtime.g.labels.
        minor: Of its version of Go.
    """

    def __init__(self, memory: ProcessMemory, offset: int, minor: int) -> None:
        self._memory = memory
        self._offset = np.uint64(offset)
        self._places = self._of_slices if minor >= SLICES_SINCE else self._of_maps

    def of(self, goroutines: U64) -> list[Labels]:
        """Of each goroutine, by the address of its g; none where it has got others again and again meanwhile.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        found: list[Labels] = [()] * len(goroutines)
        rows = np.arange(len(goroutines))
        pointers = self._pointers(goroutines)
        for _ in range(TRIES):
            rows, pointers = rows[pointers != 0], pointers[pointers != 0]
            if not len(rows):
                break
            sets, places = np.unique(pointers, return_inverse=True)
            labels = self._sets(sets)
            # The goroutine still has what was read, so nobody has freed it.
            now = self._pointers(goroutines[rows])
            for row, place in zip(rows[now == pointers].tolist(), places[now == pointers].tolist(), strict=True):
                found[row] = labels[place]
            rows, pointers = rows[now != pointers], now[now != pointers]
        return found

    def _pointers(self, goroutines: U64) -> U64:
        found, _whole = self._memory.read_each(goroutines + self._offset, WORD)
        return found.view("<u8").reshape(-1).astype(np.uint64)

    def _sets(self, sets: U64) -> list[Labels]:
        """What the labelMaps at some addresses hold."""
        places = self._places(sets)
        texts = self._texts([text for of in places for pair in of.pairs for text in pair])
        found: list[Labels] = []
        at = 0
        for of in places:
            own, at = texts[at : at + 2 * len(of.pairs)], at + 2 * len(of.pairs)
            pairs = sorted(zip(own[::2], own[1::2], strict=True))
            more = [(MORE_LABELS, f"{of.left_out} more")] if of.left_out else []
            found.append((*pairs, *more))
        return found

    def _of_slices(self, sets: U64) -> list[Places]:
        headers, _whole = self._memory.read_each(sets, 2 * WORD)
        slices = headers.view("<u8").astype(np.uint64)
        counts = np.where(slices[:, 1] < MOST_CLAIMED, slices[:, 1], 0).astype(np.int64)
        sizes = PAIR * np.minimum(counts, MOST_LABELS)
        data, whole = self._memory.read_pieces(slices[:, 0], sizes)
        pieces = np.split(data.view("<u8").reshape(-1, 2), np.cumsum(sizes // (2 * WORD))[:-1])
        return [
            Places([*zip(*[iter(map(tuple, piece.tolist()))] * 2, strict=True)], max(count - MOST_LABELS, 0))
            if there
            else Places([], 0)
            for piece, there, count in zip(pieces, whole.tolist(), counts.tolist(), strict=True)
        ]

    def _of_maps(self, sets: U64) -> list[Places]:
        return [string_map(self._memory, address, MOST_LABELS) for address in sets.tolist()]

    def _texts(self, strings: list[tuple[int, int]]) -> list[str]:
        """What strings hold, by (address, length); those longer than MOST_BYTES are cut, and "" for none."""
        claimed = np.array(strings, np.uint64).reshape(-1, 2)
        sizes = np.minimum(claimed[:, 1], MOST_BYTES).astype(np.int64)
        data, whole = self._memory.read_pieces(claimed[:, 0], sizes)
        raw, found, end = data.tobytes(), [], 0
        for size, length, there in zip(sizes.tolist(), claimed[:, 1].tolist(), whole.tolist(), strict=True):
            begin, end = end, end + size
            text = raw[begin:end] if there else b""
            found.append(text.decode(errors="replace") + (CUT if length > MOST_BYTES else ""))
        return found
