"""A timer that nobody waits for counts where it and its channel agree, and a collection has left it."""

import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter, NotDecidedError
from gosonde_agent.sources.memory.reachability.rows import U64
from gosonde_agent.sources.memory.reachability.spans import U32, Spans
from gosonde_agent.sources.memory.timers.unblocked import BEFORE, LIMITS, Search, Unblocked

from tests.unit.agent.sources.memory.timers.made_up import FUTURE, NOWHERE, MadeUp

SIZE, FITS = 112, 8_192 // 112


@pytest.fixture
def made() -> Iterator[MadeUp]:
    with MadeUp("1.27.3") as made:
        yield made


def wide(value: int) -> U64:
    return np.array([value], np.uint64)


def narrow(value: int) -> U32:
    return np.array([value], np.uint32)


class Span:
    """A span of timers, all of them free at first."""

    def __init__(self, made: MadeUp) -> None:
        self._made = made
        self.start = made.data(bytes(SIZE * FITS))
        self._bits = made.data(bytes(FITS // 8 + 1))
        self.used = 0

    def timer(
        self, when: int = FUTURE, *, period: int = 0, state: int = 0, kept: bool = True, agrees: bool = True
    ) -> int:
        """The address of the next one, with a channel."""
        made, index = self._made, self.used
        self.used += 1
        at = self.start + index * SIZE + BEFORE
        channel = made.data(bytes(made.layout.size("hchan")))
        made.write(channel + made.layout.offset("hchan", "timer"), 8, at if agrees else at + 8)
        made.write(at - BEFORE, 8, channel)
        for offset, size, value in (
            (made.at.when, 8, when),
            (made.at.period, 8, period),
            (made.at.state, 1, state),
            (made.at.is_channel, 1, 1),
            (made.at.argument, 8, channel),
        ):
            made.write(at + offset, size, value)
        if kept:
            (byte,) = struct.unpack("B", made.memory.read(self._bits + index // 8, 1))
            made.write(self._bits + index // 8, 1, byte | 1 << index % 8)
        return at

    def found(self, limits: Limits = LIMITS, *, free_from: int | None = None, element: int = SIZE) -> Unblocked:
        """By a search."""
        spans = Spans(
            at=wide(0),
            start=wide(self.start),
            pages=narrow(1),
            element=wide(element),
            count=narrow(FITS),
            free_index=narrow(self.used if free_from is None else free_from),
            alloc_bits=wide(self._bits),
            specials=wide(0),
            noscan=np.zeros(1, np.bool_),
            bits_at=wide(0),
        )
        search = Search(self._made.runtime(), self._made.at, time.monotonic_ns())
        return search.run(spans, Meter(limits))


def test_those_that_a_collection_has_left_are_found(made: MadeUp) -> None:
    span = Span(made)
    timers = [span.timer(), span.timer(period=7), span.timer(1, period=7)]
    found = span.found()
    assert (found.timers.at.tolist(), found.timers.period.tolist(), found.unproved) == (timers, [0, 7, 7], 0)


def test_those_that_were_made_since_are_counted_apart_and_free_ones_not_at_all(made: MadeUp) -> None:
    span = Span(made)
    span.timer(kept=False)
    kept = span.timer()
    span.timer(kept=False)
    found = span.found(free_from=2)
    assert (found.timers.at.tolist(), found.unproved) == ([kept], 1)


def test_what_has_fired_was_stopped_or_is_in_a_heap_is_none(made: MadeUp) -> None:
    span = Span(made)
    for timer in ({"when": 1}, {"when": 0, "period": 5}, {"state": 1}, {"agrees": False}, {"when": (1 << 64) - 1}):
        span.timer(**timer)
    found = span.found()
    assert (len(found.timers), found.unproved) == (0, 0)


def test_a_channel_that_lies_nowhere_is_none(made: MadeUp) -> None:
    span = Span(made)
    at = span.timer()
    made.write(at - BEFORE, 8, NOWHERE)
    made.write(at + made.at.argument, 8, NOWHERE)
    assert len(span.found().timers) == 0


def test_objects_of_another_size_are_not_looked_at(made: MadeUp) -> None:
    span = Span(made)
    span.timer()
    assert len(span.found(element=SIZE + 16).timers) == 0


def test_a_search_that_would_read_too_much_is_given_up(made: MadeUp) -> None:
    with pytest.raises(NotDecidedError, match="bytes of memory"):
        Span(made).found(Limits(read_bytes=100))
