"""What an execution trace says of blocking: how often, how long and why goroutines waited, by where they did.

Go: src/internal/trace/order.go. A goroutine's blocks, unblocks and starts are on different threads; what orders them is
the number that each unblock and each start of it has, counted from 0 in each generation.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gosonde_collector.evidence import trace_numbers as numbers
from gosonde_collector.evidence.context import ContentionProfile, ContentionSample
from gosonde_collector.evidence.model import TRACE, Frame
from gosonde_collector.evidence.trace_generations import SECOND, Batch, Generation, generations
from gosonde_collector.evidence.trace_numbers import Numbers
from gosonde_collector.model.errors import ProfileError, Refusal

#: Events of all generations together.
MOST_EVENTS: Final = 4_000_000
#: Frames of all stacks on which somebody waited.
MOST_FRAMES: Final = 2_000_000
TOO_LARGE: Final = Refusal.TOO_LARGE
#: All waits together are no longer: numbers of the store have 63 bits.
MOST_NS: Final = 1 << 62
#: runtime.traceGoStatus: states in which a goroutine has a thread.
RUNNING, IN_SYSCALL = 2, 3
#: Who no longer has the thread that the event is on.
LEAVES: Final = frozenset(
    {
        numbers.GO_DESTROY,
        numbers.GO_DESTROY_SYSCALL,
        numbers.GO_STOP,
        numbers.GO_BLOCK,
        numbers.GO_SYSCALL_END_BLOCKED,
    }
)

OF_GOROUTINES: Final = LEAVES | {
    numbers.GO_CREATE_SYSCALL,
    numbers.GO_START,
    numbers.GO_UNBLOCK,
    numbers.GO_STATUS,
    numbers.GO_SWITCH,
    numbers.GO_SWITCH_DESTROY,
    numbers.GO_STATUS_STACK,
}

Where = tuple[tuple[Frame, ...], str]


class _Begun(NamedTuple):
    """A wait: when it began in ticks, where and why."""

    at: int
    where: Where


@dataclass(slots=True)
class _Sum:
    waits: int = 0
    ns: int = 0


@dataclass(slots=True)
class _Waits:
    """What the generations so far have shown.

    Attributes:
        running: Who has which thread.
        begun: Waits that go on at the end of a generation, by goroutine.
    """

    sums: dict[Where, _Sum] = field(default_factory=lambda: defaultdict(_Sum))
    running: dict[int, int] = field(default_factory=dict)
    begun: dict[int, _Begun] = field(default_factory=dict)
    events: int = 0
    frames: int = 0
    ns: int = 0


def parse_trace(data: bytes) -> ContentionProfile:
    """Parses a whole file. As in a block profile, waits that began before it or go on behind its end are not in it.

    Raises:
        ProfileError: It is too large, of another version, cut off, damaged, or no wait of it has ended.
    """
    found, taken = _Waits(), 0
    for generation in generations(data):
        _Reader(data, generation, found).read()
        taken = generation.taken_unix_nano or taken
    if not found.sums:
        raise ProfileError("the execution trace shows no wait that has ended", Refusal.EMPTY)
    samples = tuple(
        ContentionSample((Frame(f"[{reason}]", "", 0), *frames), one.waits, one.ns)
        for (frames, reason), one in found.sums.items()
    )
    return ContentionProfile(TRACE, samples, taken)


class _Reader:
    """Reads the events of one generation, a thread after the other."""

    def __init__(self, data: bytes, generation: Generation, found: _Waits) -> None:
        self._data = data
        self._generation = generation
        self._found = found
        self._numbers: dict[int, int] = {}
        self._blocked: dict[tuple[int, int], _Begun] = {}
        self._unblocked: dict[tuple[int, int], int] = {}
        self._wheres: dict[tuple[int, int], Where] = {}

    def read(self) -> None:
        """Adds its waits to what was found."""
        for thread, batches in self._generation.batches.items():
            self._numbers = {}
            for batch in batches:
                self._batch(thread, batch)
        # Who waited when the generation began has had no number in it yet: its first one is of the unblock.
        self._blocked |= {(goid, 0): begun for goid, begun in self._found.begun.items()}
        self._found.begun = {}
        for (goid, number), begun in self._blocked.items():
            ended = self._unblocked.get((goid, number + 1))
            if ended is None:
                self._found.begun[goid] = begun
            else:
                self._add(begun, ended)

    def _add(self, begun: _Begun, ended: int) -> None:
        found = self._found
        if begun.where not in found.sums:
            found.frames += 1 + len(begun.where[0])
            if found.frames > MOST_FRAMES:
                raise ProfileError(f"the execution trace has stacks of more than {MOST_FRAMES} frames", TOO_LARGE)
        waited = max(ended - begun.at, 0) * SECOND // self._generation.frequency
        found.ns += waited
        if found.ns > MOST_NS:
            raise ProfileError(f"waits of the execution trace take {found.ns // SECOND} s: its clock is damaged")
        one = found.sums[begun.where]
        one.waits += 1
        one.ns += waited

    def _batch(self, thread: int, batch: Batch) -> None:
        reader = Numbers(self._data, batch.start, batch.end)
        time = batch.time
        while not reader.is_over:
            kind, values = reader.event()
            time += values[0]
            if kind in OF_GOROUTINES:
                self._take(thread, kind, time, values)
            self._found.events += 1
            if self._found.events > MOST_EVENTS:
                raise ProfileError(
                    f"the execution trace has more than {MOST_EVENTS} events: take one of a shorter time", TOO_LARGE
                )

    def _take(self, thread: int, kind: int, time: int, values: list[int]) -> None:
        if kind == numbers.GO_UNBLOCK:
            self._unblocked[values[1], values[2]] = time
        elif kind == numbers.GO_BLOCK:
            self._block(thread, time, values)
        elif kind in {numbers.GO_STATUS, numbers.GO_STATUS_STACK}:
            self._status(thread, *values[1:4])
        elif kind in {numbers.GO_START, numbers.GO_SWITCH, numbers.GO_SWITCH_DESTROY}:
            self._run(thread, values[1], values[2])
        elif kind == numbers.GO_CREATE_SYSCALL:
            self._run(thread, values[1], 0)
        if kind in LEAVES:
            self._found.running.pop(thread, None)

    def _run(self, thread: int, goid: int, number: int) -> None:
        self._found.running[thread] = goid
        self._numbers[goid] = number

    def _status(self, thread: int, goid: int, of: int, status: int) -> None:
        """The state of a goroutine when the generation began, as any thread says: `of` is the one that it has."""
        if status == RUNNING:
            self._run(thread, goid, 0)
        elif status == IN_SYSCALL:
            self._found.running.setdefault(of, goid)

    def _block(self, thread: int, time: int, values: list[int]) -> None:
        goid = self._found.running.get(thread)
        if goid is None:
            raise ProfileError(f"nobody runs who blocks on thread {thread} of the execution trace: it is damaged")
        self._blocked[goid, self._numbers.get(goid, 0)] = _Begun(time, self._where(values[2], values[1]))

    def _where(self, stack: int, reason: int) -> Where:
        where = self._wheres.get((stack, reason))
        if where is None:
            if reason not in self._generation.strings:
                raise self._generation.missing(f"string {reason}")
            frames = self._generation.frames(stack)
            where = self._wheres[stack, reason] = frames, self._generation.strings[reason] or "unspecified"
        return where
