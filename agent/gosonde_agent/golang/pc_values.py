"""The pc-value tables of a pclntab (runtime.pcvalue): what a number is at each address of a function."""

import bisect
from array import array

from gosonde_agent.errors import MalformedBinaryError
from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.region import Region

#: More steps than this has no function that a compiler wrote.
MAX_STEPS = 1 << 17
#: Decoded steps that are kept for one binary, 16 bytes each.
MAX_KEPT_STEPS = 1 << 18
#: What is read at once: most tables are short.
FIRST_READ = 512
NEXT_READ = 16_384
#: Bytes of the two numbers of a step, at most.
LONGEST_STEP = 10

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
        decoded = self._tables.get(table, self._decode)
        if decoded is None:
            raise MalformedBinaryError(f"the pc-value table at {table} does not end within {MAX_STEPS} steps")
        ends, values = decoded
        index = bisect.bisect_right(ends, offset)
        return values[index] if index < len(values) else -1

    def _decode(self, table: int) -> Table:
        """values[i] holds below offset ends[i] (and from ends[i - 1])."""
        position, data, at = self._start + table, b"", 0
        ends, values = array("q"), array("q")
        offset, value, size = 0, -1, FIRST_READ
        for _ in range(MAX_STEPS):
            if at + LONGEST_STEP > len(data):
                position += at
                data, at, size = self._region.read(position, min(size, max(self._end - position, 0))), 0, NEXT_READ
            delta, at = _uvarint(data, at)
            if delta == 0 and ends:
                return ends, values
            step, at = _uvarint(data, at)
            if delta is None or step is None:
                return None
            value += -(delta >> 1) - 1 if delta & 1 else delta >> 1
            offset += step * self._quantum
            ends.append(offset)
            values.append(value)
        return None


def _weight(table: Table) -> int:
    return 16 + (0 if table is None else len(table[0]))


def _uvarint(data: bytes, at: int) -> tuple[int | None, int]:
    """(number, position behind it); None where it does not end."""
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return None, at
