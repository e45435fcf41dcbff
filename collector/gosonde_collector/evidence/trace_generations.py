"""An execution trace (runtime/trace, format v2) as generations: its batches, and their tables of strings and stacks.

Go: src/internal/trace/generation.go and batch.go. Each generation has tables of its own.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gosonde_collector.evidence import trace_numbers as numbers
from gosonde_collector.evidence.model import Frame
from gosonde_collector.evidence.trace_numbers import Numbers, cut_off
from gosonde_collector.model.errors import ProfileError, Refusal

HEADER: Final = re.compile(rb"go 1\.(\d\d) trace\0\0\0")
#: Versions of the format: 1.24 writes 1.23's, 1.27 writes 1.26's.
VERSIONS: Final = (22, 23, 25, 26)
#: From this one on a generation ends with an event of its own.
ENDS_MARKED: Final = 26
#: Largest file: reading it takes some seconds of CPU time.
MOST_BYTES: Final = 16 << 20
#: As Go bounds them (tracev2.MaxBatchSize, MaxEventTrailerDataSize, MaxFramesPerStack).
MOST_OF_BATCH, MOST_OF_STRING, MOST_FRAMES = 64 << 10, 1 << 10, 128
#: Strings and frames of stacks of a generation.
MOST_RECORDS: Final = 500_000
SECOND: Final = 1_000_000_000


class Batch(NamedTuple):
    """Events of one thread: the time that they begin at, in ticks, and where they lie."""

    time: int
    start: int
    end: int


@dataclass(slots=True)
class Generation:
    """Some time of a trace, whole.

    Attributes:
        batches: By thread, in order.
        strings: By id.
        stacks: By id, innermost first, as ids (function, file, line).
        frequency: Ticks per second.
        taken_unix_nano: Of a moment in it; 0 before Go 1.25.
    """

    number: int = 0
    batches: dict[int, list[Batch]] = field(default_factory=lambda: defaultdict(list))
    strings: dict[int, str] = field(default_factory=dict)
    stacks: dict[int, tuple[tuple[int, int, int], ...]] = field(default_factory=dict)
    frequency: int = 0
    taken_unix_nano: int = 0
    _frames: dict[int, tuple[Frame, ...]] = field(default_factory=dict)
    _size: int = 0

    def grow(self, size: int) -> None:
        """Takes note of so many frames and strings more.

        Raises:
            ProfileError: There are too many.
        """
        self._size += size
        if self._size > MOST_RECORDS:
            raise ProfileError(
                f"generation {self.number} of the execution trace has more than {MOST_RECORDS} strings and frames",
                Refusal.TOO_LARGE,
            )

    def frames(self, stack: int) -> tuple[Frame, ...]:
        """A stack by its id; empty for 0, which is no stack.

        Raises:
            ProfileError: There is no such stack, or a name in it is missing.
        """
        if stack not in self._frames:
            self._frames[stack] = tuple(map(self._frame, self._found(stack)))
        return self._frames[stack]

    def _found(self, stack: int) -> tuple[tuple[int, int, int], ...]:
        if stack and stack not in self.stacks:
            raise self.missing(f"stack {stack}")
        return self.stacks[stack] if stack else ()

    def _frame(self, ids: tuple[int, int, int]) -> Frame:
        function, file, line = ids
        if function not in self.strings or file not in self.strings:
            raise self.missing(f"string {function} or {file}")
        return Frame(self.strings[function], self.strings[file], line)

    def missing(self, what: str) -> ProfileError:
        """The error for something that an event names and that is not there."""
        return ProfileError(f"generation {self.number} of the execution trace lacks {what}")


def is_trace(data: bytes) -> bool:
    """Whether a file is an execution trace of any version."""
    return HEADER.match(data) is not None


def generations(data: bytes) -> Iterator[Generation]:
    """All generations, the oldest first.

    Raises:
        ProfileError: It is too large, of another version, cut off, or damaged.
    """
    version = _version(data)
    reader = Numbers(data, 16, len(data))
    present = Generation()
    while not reader.is_over:
        number = _batch(data, reader, present, version)
        if number is None:
            yield _whole(present, reader.at, version)
            present = Generation()
        elif present.number and number != present.number:
            raise ProfileError(f"generations {present.number} and {number} of the execution trace are mixed")
        elif version < ENDS_MARKED and _is_last(data, reader, number):
            present.number = number
            yield _whole(present, reader.at, version)
            present = Generation()
        else:
            present.number = number
    if present.number:
        raise cut_off(reader.at)


def _version(data: bytes) -> int:
    header = HEADER.match(data)
    version = int(header[1]) if header else 0
    if version not in VERSIONS:
        raise ProfileError(
            f"an execution trace of Go 1.{version}: only the format of Go 1.22 to 1.27 is read", Refusal.UNKNOWN_KIND
        )
    if len(data) > MOST_BYTES:
        raise ProfileError(
            f"the execution trace is larger than {MOST_BYTES} bytes: take one of a shorter time", Refusal.TOO_LARGE
        )
    return version


def _is_last(data: bytes, reader: Numbers, number: int) -> bool:
    """Whether the next batch is of another generation, or there is none."""
    if reader.is_over:
        return True
    ahead = Numbers(data, reader.at, len(data))
    if ahead.byte() == numbers.EXPERIMENTAL_BATCH:
        ahead.byte()
    return ahead.next() != number


def _batch(data: bytes, reader: Numbers, present: Generation, version: int) -> int | None:
    """Takes the next batch in; the number of its generation, None for the end of one."""
    began = reader.at
    kind = reader.byte()
    if kind == numbers.END_OF_GENERATION and version >= ENDS_MARKED:
        return None
    if kind not in {numbers.BATCH, numbers.EXPERIMENTAL_BATCH}:
        raise ProfileError(f"the execution trace has no batch at byte {began}, but an event {kind}")
    if kind == numbers.EXPERIMENTAL_BATCH:
        reader.byte()
    number, thread, time, size = (reader.next() for _ in range(4))
    if not number or size > MOST_OF_BATCH:
        raise ProfileError(f"the batch at byte {began} of the execution trace has generation {number}, {size} bytes")
    start = reader.at
    reader.bytes(size)
    if kind == numbers.BATCH and size:
        _sorted(present, thread, Batch(time, start, reader.at), data)
    return number


def _sorted(present: Generation, thread: int, batch: Batch, data: bytes) -> None:
    """What a batch has is shown by its first byte."""
    reader = Numbers(data, batch.start, batch.end)
    first = data[batch.start]
    if first == numbers.STRINGS:
        _strings(present, reader)
    elif first == numbers.STACKS:
        _stacks(present, reader)
    elif first in {numbers.FREQUENCY, numbers.SYNC}:
        _clocks(present, reader)
    elif first != numbers.CPU_SAMPLES:
        present.batches[thread].append(batch)


def _strings(present: Generation, reader: Numbers) -> None:
    reader.byte()
    while not reader.is_over:
        _expect(reader, numbers.STRING)
        key, size = reader.next(), reader.next()
        if size > MOST_OF_STRING:
            raise ProfileError(f"a string at byte {reader.at} of the execution trace has {size} bytes")
        present.grow(1)
        present.strings[key] = reader.bytes(size).decode("utf-8", "backslashreplace")


def _stacks(present: Generation, reader: Numbers) -> None:
    reader.byte()
    while not reader.is_over:
        _expect(reader, numbers.STACK)
        key, size = reader.next(), reader.next()
        if size > MOST_FRAMES:
            raise ProfileError(f"a stack at byte {reader.at} of the execution trace has {size} frames")
        present.grow(size)
        present.stacks[key] = tuple(_frame(reader) for _ in range(size))


def _frame(reader: Numbers) -> tuple[int, int, int]:
    _pc, function, file, line = (reader.next() for _ in range(4))
    return function, file, line & 0x7FFF_FFFF


def _clocks(present: Generation, reader: Numbers) -> None:
    while not reader.is_over:
        kind = reader.byte()
        if kind == numbers.FREQUENCY:
            present.frequency = reader.next()
        elif kind == numbers.CLOCK_SNAPSHOT:
            _ticks, _monotonic, seconds, nanoseconds = (reader.next() for _ in range(4))
            present.taken_unix_nano = min(seconds * SECOND + nanoseconds, (1 << 63) - 1)
        elif kind != numbers.SYNC:
            raise ProfileError(f"the execution trace has no clock at byte {reader.at - 1}, but an event {kind}")


def _expect(reader: Numbers, kind: int) -> None:
    found = reader.byte()
    if found != kind:
        raise ProfileError(f"the execution trace has an event {found} at byte {reader.at - 1}, and should have {kind}")


def _whole(present: Generation, at: int, version: int) -> Generation:
    """Raises ProfileError when a generation lacks what it begins with, or, where its end is not marked, ends with."""
    if not present.frequency or (version < ENDS_MARKED and not present.strings):
        raise ProfileError(
            f"generation {present.number} of the execution trace, which ends at byte {at}, has no clock or no strings: "
            "the trace is cut off",
            Refusal.TRUNCATED,
        )
    return present
