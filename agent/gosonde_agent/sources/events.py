"""What a source reports when it happens."""

from typing import NamedTuple

#: Kinds of events; probes/gosonde.h has the same.
EVENT_EXEC, EVENT_EXIT, EVENT_PAUSE, EVENT_CYCLE, EVENT_HIT = 1, 2, 3, 4, 5


class Event(NamedTuple):
    """struct event. Times are CLOCK_MONOTONIC nanoseconds."""

    kind: int
    tgid: int
    epoch: int
    binary: int
    reason: int
    padding: int
    at: int
    started_at: int
    duration: int
    ordinal: int
