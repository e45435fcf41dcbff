"""The pc-value tables of a pclntab (runtime.pcvalue): what a number is at each address of a function."""

import bisect
from array import array

from gosonde_agent.errors import MalformedBinaryError
from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.region import Region

#: More steps than this has no function that a compiler wrote.
MAX_STEPS = 1 << 18
#: Decoded steps that are kept for one binary, 16 bytes each.
MAX_KEPT_STEPS = 1 << 18

Table = tuple["array[int]", "array[int]"]


class PcValues:
    """Decodes tables of a pclntab; `start` is where its pctab begins, `quantum` the unit of addresses."""

    def __init__(self, region: Region, start: int, end: int, quantum: int) -> None:
        self._region = region
        self._start = start
        self._end = end
        self._quantum = quantum
        self._tables: BoundedCache[int, Table] = BoundedCache(MAX_KEPT_STEPS, lambda table: 16 + len(table[0]))

    def value(self, table: int, offset: int) -> int:
        """The value `offset` bytes behind a function's entry; -1 when the table ends before, or is 0: there is none.

        Raises:
            MalformedBinaryError: The table does not end.
        """
        if table == 0:
            return -1
        ends, values = self._tables.get(table, self._decode)
        index = bisect.bisect_right(ends, offset)
        return values[index] if index < len(values) else -1

    def _decode(self, table: int) -> Table:
        """values[i] holds below offset ends[i] (and from ends[i - 1])."""
        position = self._start + table
        ends, values = array("q"), array("q")
        offset, value = 0, -1
        for _ in range(MAX_STEPS):
            delta, position = self._uvarint(position)
            if delta == 0 and ends:
                return ends, values
            value += -(delta >> 1) - 1 if delta & 1 else delta >> 1
            step, position = self._uvarint(position)
            offset += step * self._quantum
            ends.append(offset)
            values.append(value)
        raise MalformedBinaryError(f"the pc-value table at {table} does not end within {MAX_STEPS} steps")

    def _uvarint(self, position: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 35, 7):
            if position >= self._end:
                break
            block, index = self._region.block(position)
            byte = block[index]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
        raise MalformedBinaryError(f"a variable-length number at offset {position} of the pclntab does not end")
