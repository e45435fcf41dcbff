"""The pc-value tables of a pclntab (runtime.pcvalue): what a number is at each address of a function."""

import bisect
from array import array

import numpy as np

from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.region import Region
from gosonde_agent.model.errors import MalformedBinaryError

#: More steps than this has no function that a compiler wrote.
MAX_STEPS = 1 << 17
#: Decoded steps that are kept for one binary, 16 bytes each: enough for every table that one function is asked for.
MAX_KEPT_STEPS = 5 * MAX_STEPS
#: Bytes of a number, at most.
LONGEST_NUMBER = 5
#: What is read of a table until it ends, in bytes: most are short, and two numbers make a step.
READS = (512, 16_384, MAX_STEPS * 2 * LONGEST_NUMBER)

#: (ends, values), or None for a table that does not end.
Table = tuple["array[int]", "array[int]"] | None


class PcValues:
    """Decodes tables of a pclntab; `start` is where its pctab begins, `quantum` the unit of addresses."""

    def __init__(self, region: Region, start: int, end: int, quantum: int) -> None:
        self._region = region
        self._start = start
        self._end = end
        self._quantum = quantum
        self._tables: BoundedCache[int, Table] = BoundedCache(MAX_KEPT_STEPS, _weight)

    def value(self, table: int, offset: int) -> int:
        """The value `offset` bytes behind a function's entry; -1 when the table ends before, or is 0: there is none.

        Raises:
            MalformedBinaryError: The table does not end.
        """
        if table == 0:
            return -1
        ends, values = self._decoded(table)
        index = bisect.bisect_right(ends, offset)
        return values[index] if index < len(values) else -1

    def values(self, table: int) -> frozenset[int]:
        """All values of a table; none where it is 0.

        Raises:
            MalformedBinaryError: The table does not end.
        """
        return frozenset(self._decoded(table)[1]) if table else frozenset()

    def _decoded(self, table: int) -> tuple["array[int]", "array[int]"]:
        decoded = self._tables.get(table, self._decode)
        if decoded is None:
            raise MalformedBinaryError(f"the pc-value table at {table} does not end within {MAX_STEPS} steps")
        return decoded

    def _decode(self, table: int) -> Table:
        position = self._start + table
        for size in READS:
            decoded = decode(self._region.read(position, min(size, max(self._end - position, 0))), self._quantum)
            if decoded is not None:
                return decoded
        return None


def decode(data: bytes, quantum: int) -> Table:
    """The table that begins `data`: values[i] holds below offset ends[i], and from ends[i - 1]; see runtime.step.

    None when it does not end within `data` or MAX_STEPS. It costs a few passes over `data`, whatever is in it.
    """
    raw = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(raw < 0x80)
    if len(last) == 0:
        return None
    first = np.concatenate(([0], last[:-1] + 1))
    sizes = last - first + 1
    shifts = 7 * np.minimum(np.arange(last[-1] + 1) - np.repeat(first, sizes), LONGEST_NUMBER)
    numbers = np.add.reduceat((raw[: last[-1] + 1] & 0x7F).astype(np.int64) << shifts, first)
    deltas = numbers[::2]
    stops = np.flatnonzero(deltas[1:] == 0)
    count = int(stops[0]) + 1 if len(stops) else MAX_STEPS + 1
    if count > MAX_STEPS or sizes[: 2 * count].max() > LONGEST_NUMBER:
        return None
    deltas = deltas[:count]
    values = np.cumsum(np.where(deltas & 1, -(deltas >> 1) - 1, deltas >> 1)) - 1
    return _array(np.cumsum(numbers[1 : 2 * count : 2] * quantum)), _array(values)


def _array(numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "array[int]":
    return array("q", numbers.tobytes())


def _weight(table: Table) -> int:
    return 16 + (0 if table is None else len(table[0]))
