"""Where runtime.timer has what in one version of Go, and which of its states mean that it is pending."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, Rows, numbers, words

#: runtime.timer.status up to Go 1.22: timerWaiting, timerRunning, timerModifying, timerModifiedEarlier, and so on.
WAITING, RUNNING, MODIFYING, EARLIER, LATER, MOVING = 1, 2, 6, 7, 8, 9
PENDING = (WAITING, RUNNING, MODIFYING, EARLIER, LATER, MOVING)
MOVED = (EARLIER, LATER)
#: runtime.timer.state since Go 1.23.
HEAPED, ZOMBIE = 1, 4
WORD = 8
#: Bytes that a timer takes at most, and that an entry of a heap can take.
MAX_SIZE, ENTRIES = 1_024, (8, 16, 24, 32)


@dataclass(frozen=True, slots=True)
class TimerLayout:
    """Offsets in bytes, in runtime.p and in runtime.timer.

    Attributes:
        heap: In a P, of the slice that is its heap of timers.
        entry: Of that slice, bytes.
        owner: What a timer says of whose heap it is in.
        owned: What that is for the heap of a P, behind the address of the P.
        state: `status` up to Go 1.22, `state` since.
        moved: `nextwhen`, up to Go 1.22; -1 since.
        is_channel: -1 up to Go 1.22.
        size: Of a timer.
    """

    heap: int
    entry: int
    owner: int
    owned: int
    state: int
    when: int
    moved: int
    period: int
    function: int
    argument: int
    is_channel: int
    size: int

    @property
    def has_channel_timers(self) -> bool:
        """Whether timers that nobody waits for are in no heap (since Go 1.23)."""
        return self.is_channel >= 0

    def due(self, rows: Rows) -> I64:
        """When each is to fire, CLOCK_MONOTONIC in ns; 0 for one that is not pending in a heap."""
        when = words(rows, self.when).astype(np.int64)
        if self.has_channel_timers:
            state = rows[:, self.state]
            return np.where((state & HEAPED != 0) & (state & ZOMBIE == 0), when, 0)
        status = numbers(rows, self.state, 4)
        when = np.where(np.isin(status, MOVED), words(rows, self.moved).astype(np.int64), when)
        return np.where(np.isin(status, PENDING), when, 0)

    def is_in_no_heap(self, rows: Rows) -> Bools:
        """Which are of channels that nobody waits for."""
        found: Bools = (rows[:, self.state] & HEAPED == 0) & (rows[:, self.is_channel] == 1)
        return found

    def identity(self, rows: Rows) -> tuple[U64, ...]:
        """What stays the same for as long as a timer is one."""
        return tuple(words(rows, at) for at in (self.owner, self.function, self.argument, self.period))


def timer_layout(layout: Layout) -> TimerLayout:
    """The layout of one version.

    Raises:
        UnsupportedBinaryError: A field's place is not known, or what is known contradicts itself.
    """
    is_new = layout.has("p", "timers.heap.array")
    found = TimerLayout(
        heap=layout.offset("p", "timers.heap.array" if is_new else "timers.array"),
        entry=layout.size("timerWhen") if is_new else WORD,
        owner=layout.offset("timer", "ts" if is_new else "pp"),
        owned=layout.offset("p", "timers") if is_new else 0,
        state=layout.offset("timer", "state" if is_new else "status"),
        when=layout.offset("timer", "when"),
        moved=-1 if is_new else layout.offset("timer", "nextwhen"),
        period=layout.offset("timer", "period"),
        function=layout.offset("timer", "f"),
        argument=layout.offset("timer", "arg.data"),
        is_channel=layout.offset("timer", "isChan") if is_new else -1,
        size=layout.size("timer"),
    )
    last = max(found.owner, found.state, found.when, found.moved, found.period, found.function, found.argument)
    if not max(last, found.is_channel) + WORD <= found.size <= MAX_SIZE or found.entry not in ENTRIES:
        raise UnsupportedBinaryError(f"a timer has no room for what it is said to hold ({layout.source})")
    return found
