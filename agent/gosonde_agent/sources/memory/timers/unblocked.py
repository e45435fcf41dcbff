"""Timers of channels that nobody waits for: since Go 1.23 they are in no heap of timers, and only memory has them.

A time.Timer or time.Ticker is an object of its own there. That one is found is proved by what it and its channel say of
each other. Whether the program still holds it is known of those that a collection has left: what was made since may be
forgotten already.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.rows import U64, Bools, Rows, words
from gosonde_agent.sources.memory.reachability.spans import Spans
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.timers.heaps import Timers
from gosonde_agent.sources.memory.timers.layout import WORD, TimerLayout

#: What one search takes at most.
LIMITS: Final = Limits(cpu_seconds=5.0, seconds=30.0, read_bytes=4 << 30)
#: runtime.timeTimer: the channel, whether it is ready, and the timer.
BEFORE: Final = 16
#: Sizes of objects have such steps where timers are.
SIZE_STEP: Final = 16
#: The most that are told apart.
MOST: Final = 1_000_000
#: Bytes of objects that are looked at together.
AT_ONCE: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Unblocked:
    """What was found.

    Attributes:
        timers: Those that the program held when it was collected last.
        unproved: How many others there are, made since.
    """

    timers: Timers
    unproved: int


class Search:
    """Looks for them in one process, now.

    Args:
        now_ns: CLOCK_MONOTONIC. One that was to fire once before it has nothing left to do.
    """

    def __init__(self, runtime: Runtime, layout: TimerLayout, now_ns: int) -> None:
        self._memory = runtime.memory
        self._layout = layout
        self._now_ns = now_ns
        self._timer_of_channel = runtime.layout.offset("hchan", "timer")

    def run(self, spans: Spans, meter: Meter) -> Unblocked:
        """Looks at each object of a timer's size.

        Raises:
            NotDecidedError: There are too many.
            GosondeError: The process has ended, or may not be read.
        """
        least = BEFORE + self._layout.size
        size = -(-least // SIZE_STEP) * SIZE_STEP
        spans = spans.selected((spans.element == np.uint64(size)) & ~spans.noscan)
        parts, unproved = [Timers.none()], 0
        several = max(AT_ONCE // (int(spans.pages.max(initial=1)) << 13), 1)
        for begin in range(0, len(spans), several):
            some = spans.selected(np.arange(begin, min(begin + several, len(spans))))
            found, young = self._in(some, size, meter)
            parts.append(found)
            unproved += young
            meter.bound("timers that nobody waits for", sum(map(len, parts)), MOST)
        return Unblocked(Timers.joined(parts), unproved)

    def _in(self, spans: Spans, size: int, meter: Meter) -> tuple[Timers, int]:
        """(the timers in some spans that a collection has left, how many were made since)."""
        counts = spans.count.astype(np.int64)
        meter.take(int(counts.sum()) * size)
        data, _whole = self._memory.read_pieces(spans.start, counts * size)
        rows = data.reshape(-1, size)
        span = np.repeat(np.arange(len(spans)), counts)
        index = np.arange(len(span)) - np.repeat(np.cumsum(counts) - counts, counts)
        maybe = np.flatnonzero(self._is_one(rows))
        span, index = span[maybe], index[maybe]
        rows, at = rows[maybe, BEFORE:], spans.start[span] + (index * size + BEFORE).astype(np.uint64)
        here = self._is_its_channels(rows, at)
        rows, at, span, index = rows[here], at[here], span[here], index[here]
        bits, whole = self._memory.read_each(spans.alloc_bits[span] + (index >> 3).astype(np.uint64), 1)
        kept = whole & ((bits[:, 0] >> (index & 7).astype(np.uint8)) & 1 == 1)
        when = words(rows, self._layout.when).astype(np.int64)
        # What lies behind the first free object, and no collection has left, is free.
        young = ~kept & (index < spans.free_index[span])
        return Timers.of(at, rows, when, self._layout).selected(kept), int(young.sum())

    def _is_one(self, rows: Rows) -> Bools:
        """Which objects are such timers, by what they say of themselves."""
        timers = rows[:, BEFORE:]
        channel = words(rows, 0)
        when, period = words(timers, self._layout.when), words(timers, self._layout.period)
        is_due_later = (when > np.uint64(self._now_ns)) & (when < np.uint64(1 << 63))
        found: Bools = (channel != 0) & (words(timers, self._layout.argument) == channel)
        return found & self._layout.is_in_no_heap(timers) & (is_due_later | ((period > 0) & (when > 0)))

    def _is_its_channels(self, rows: Rows, at: U64) -> Bools:
        """Whether the channel says that it is this timer's."""
        channels = words(rows, self._layout.argument)
        found, whole = self._memory.read_each(channels + np.uint64(self._timer_of_channel), WORD)
        same: Bools = whole & (words(found, 0) == at)
        return same
