"""Timers that have not fired yet, in groups: what each will call, or who waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: Groups of a process that are reported one by one.
MAX_TIMER_GROUPS: Final = 32
#: Timers that are due later than that are lasting: from now on, or from when they were read; in nanoseconds.
LASTING_NS: Final = 300_000_000_000
#: Thousandths of a timer that each one stands for where all were read.
ALL_READ: Final = 1_000
#: In columns: what is not known of a group.
UNKNOWN: Final = -1


class TimerKind(StrEnum):
    """What a timer does when it is due."""

    FUNC = "func"
    CHANNEL = "channel"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class TimerGroup:
    """Pending timers of one kind, callback and waiting function, which all fire once, or all again and again.

    Attributes:
        callback: The function that runs when they are due: for a channel "time.sendTime"; "?" where it is not known.
        waits_in: The function that waits for the channel or the context, or sleeps; empty where none does.
        pending: How many.
        next_in_ns: Until the first one is due; 0 for one that is overdue.
        period_ns: The shortest of those that repeat; None where they fire once.
        retained_heap_bytes: What they keep alive at least: timers, closures, channels, contexts; None where the heap
            was not read.
        lasting: How many of them repeat, or are due later than in LASTING_NS; None where an older agent does not say.
    """

    callback: str
    waits_in: str
    kind: TimerKind
    pending: int
    next_in_ns: int
    period_ns: int | None
    retained_heap_bytes: int | None
    lasting: int | None


@dataclass(frozen=True, slots=True)
class PendingTimers:
    """All that were found.

    Attributes:
        groups: The largest first.
        changing: Timers that changed each time they were read, and are not counted.
        each_stands_for: So many timers; more than 1 where not all were read, and numbers are estimates.
        unproved: Timers that nobody waits for, and that were made since the last collection: the program may have
            forgotten them, and they are not counted.
        heap_unread: Why the heap was not read; empty where it was. Since Go 1.23 it alone has timers that nobody waits
            for.
    """

    groups: Sequence[TimerGroup]
    changing: int = 0
    each_stands_for: float = 1.0
    unproved: int = 0
    heap_unread: str = ""

    @property
    def pending(self) -> int:
        """All together."""
        return sum(group.pending for group in self.groups)


NONE_PENDING: Final = PendingTimers(())


def groups_of(columns: Sequence[Sequence[Any]]) -> tuple[TimerGroup, ...]:
    """From columns of equal length in the order of TimerGroup.

    0 stands for no period and for unknown bytes, and UNKNOWN for what is not known of those that last.

    Raises:
        ValueError: A kind is not known, or the columns' lengths differ.
    """
    return tuple(
        TimerGroup(
            *(callback, waits_in, TimerKind(kind), pending, next_in, period or None, retained or None),
            lasting=None if lasting == UNKNOWN else lasting,
        )
        for callback, waits_in, kind, pending, next_in, period, retained, lasting in zip(*columns, strict=True)
    )
