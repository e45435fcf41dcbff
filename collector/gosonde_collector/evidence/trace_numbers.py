"""The numbers of an execution trace: varints, and how many each event has.

Go: src/internal/trace/tracev2/events.go.
"""

from typing import Final

from gosonde_collector.model.errors import ProfileError, Refusal

#: Of structure.
BATCH, STACKS, STACK, STRINGS, STRING, CPU_SAMPLES, FREQUENCY = 1, 2, 3, 4, 5, 6, 8
EXPERIMENTAL_BATCH, SYNC, CLOCK_SNAPSHOT, END_OF_GENERATION = 49, 50, 51, 52
#: Of goroutines.
GO_CREATE_SYSCALL, GO_START, GO_DESTROY, GO_DESTROY_SYSCALL, GO_STOP, GO_BLOCK, GO_UNBLOCK = 15, 16, 17, 18, 19, 20, 21
GO_SYSCALL_END_BLOCKED, GO_STATUS, GO_SWITCH, GO_SWITCH_DESTROY, GO_STATUS_STACK = 24, 25, 45, 46, 48
#: How many numbers follow the type of a timed event, of which the first is the time since the one before.
ARGUMENTS: Final = {
    **dict(zip(range(9, 26), (3, 3, 1, 4, 3, 4, 2, 3, 1, 1, 3, 3, 4, 3, 1, 1, 4), strict=True)),
    **dict(zip(range(26, 40), (3, 1, 2, 3, 2, 2, 2, 3, 2, 2, 1, 2, 2, 2), strict=True)),
    **dict(zip(range(40, 49), (5, 3, 4, 4, 5, 3, 3, 4, 5), strict=True)),
    # Of GODEBUG=traceallocfree=1, from Go 1.23 on.
    **dict(zip(range(128, 137), (4, 4, 2, 3, 3, 2, 3, 3, 2), strict=True)),
}
#: Bits of a number, seven in a byte.
WIDEST: Final = 64


class Numbers:
    """Reads numbers and bytes one after the other, up to `end`.

    Attributes:
        at: Where the next one begins.
    """

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data = data
        self._end = end
        self.at = at

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.at >= self._end

    def byte(self) -> int:
        """One byte.

        Raises:
            ProfileError: There is none.
        """
        if self.at >= self._end:
            raise cut_off(self.at)
        self.at += 1
        return self._data[self.at - 1]

    def next(self) -> int:
        """A varint.

        Raises:
            ProfileError: It is cut off, or wider than 64 bits.
        """
        value = shift = 0
        while shift < WIDEST:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (1 << WIDEST) - 1
            shift += 7
        raise ProfileError(f"the execution trace has a number at byte {self.at} that is too long")

    def event(self) -> tuple[int, list[int]]:
        """A timed event: its type, and its numbers. Most numbers have one byte, so those are read at once.

        Raises:
            ProfileError: It is of an unknown type, or cut off.
        """
        data, kind = self._data, self.byte()
        count = ARGUMENTS.get(kind)
        if count is None:
            raise ProfileError(f"the execution trace has an unknown event {kind} at byte {self.at - 1}")
        values = []
        for _ in range(count):
            if self.at < self._end and (byte := data[self.at]) < 0x80:
                values.append(byte)
                self.at += 1
            else:
                values.append(self.next())
        return kind, values

    def bytes(self, size: int) -> bytes:
        """So many bytes.

        Raises:
            ProfileError: There are fewer.
        """
        if size > self._end - self.at:
            raise cut_off(self.at)
        self.at += size
        return self._data[self.at - size : self.at]


def cut_off(at: int) -> ProfileError:
    """The error for a file that ends too early."""
    return ProfileError(f"the execution trace is cut off at byte {at}", Refusal.TRUNCATED)
