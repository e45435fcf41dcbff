"""A timeline as plain values. Times are CLOCK_MONOTONIC, in ns."""

from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_common.values.goroutines import Location

NOWHERE = Location("", "", 0)


class Span(NamedTuple):
    """A time that a goroutine spends in one state, and the operating system's thread that began it (0: not known)."""

    state: str
    begin_ns: int
    end_ns: int
    thread: int


@dataclass(slots=True)
class Line:
    """One goroutine.

    Attributes:
        goid: 0 where it was made and did nothing more in the window, so that its number was not seen.
        start_function: What it runs first; empty where that is not known.
        created_by: The `go` statement.
        parent: goid of its creator; 0 where the runtime does not keep it.
        born_ns: 0 when it was there before the window.
        ended_ns: 0 when it was there after it.
        spans: What it did, without a gap, from its begin or the window's on.
        unseen: How often it was found in another state than it was left in.
    """

    goid: int = 0
    start_function: str = ""
    created_by: Location = NOWHERE
    parent: int = 0
    born_ns: int = 0
    ended_ns: int = 0
    spans: list[Span] = field(default_factory=list)
    unseen: int = 0


class Wake(NamedTuple):
    """A goroutine makes another one runnable (or makes it at all): their places in `Timeline.lines`.

    `by` is -1 where it is not known who did: it was running before the window, or nobody ran on that thread.
    """

    at_ns: int
    by: int
    woken: int
    is_birth: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the goroutines of one process did between two moments.

    Attributes:
        to_unix_ns: What to add to a time to get nanoseconds since the Unix epoch.
        live: How many goroutines lived at the begin, the runtime's own among them; None where that could not be read.
        changes: How many changes of status the lines are made of.
        unseen: How often a goroutine was found in another state than it was left in: something was not seen.
        lost: Changes for which there was no room.
        left_out: Goroutines that did nothing in the window, and have no line because there are too many of them.
        hits, most_hits: How often the probe was hit, and how often it might be.
        cost_ns: What that took of the process's CPU time, by what a hit costs on a usual machine.
        why_ended: Why the window ended then, for people.
        not_read: Why memory did not show who was there before; empty where it did.
    """

    pid: int
    exe: str
    go_version: str
    begin_ns: int
    end_ns: int
    to_unix_ns: int
    lines: list[Line]
    wakes: list[Wake]
    live: int | None
    changes: int
    unseen: int
    lost: int
    left_out: int
    hits: int
    most_hits: int
    cost_ns: int
    why_ended: str
    not_read: str
