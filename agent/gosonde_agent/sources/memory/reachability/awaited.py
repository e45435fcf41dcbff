"""What blocked goroutines wait for: the addresses of channels and locks, by their sudogs."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Rows, joined, joined_numbers, words
from gosonde_agent.sources.memory.reader import ProcessMemory

#: No address: for what a goroutine waits for when its sudog is another's by now. Such a goroutine counts as live.
UNKNOWN = np.uint64(1)


@dataclass(frozen=True, slots=True)
class Awaited:
    """Pairs of a goroutine and what it waits for, and of a goroutine and a sudog of its own.

    A goroutine is in no pair where nothing was found; in a select it is in several.
    """

    row: I64
    address: U64
    sudog_row: I64
    sudog: U64

    @staticmethod
    def joined(parts: list["Awaited"]) -> "Awaited":
        """All parts."""
        return Awaited(
            joined_numbers([part.row for part in parts]),
            joined([part.address for part in parts]),
            joined_numbers([part.sudog_row for part in parts]),
            joined([part.sudog for part in parts]),
        )


class SudogLayout:
    """Where runtime.sudog has what, in one version."""

    def __init__(self, layout: Layout) -> None:
        at = layout.fields("sudog")
        self.size = layout.size("sudog")
        self.goroutine = layout.offset("sudog", "g")
        self.next = layout.offset("sudog", "next")
        self.waitlink = layout.offset("sudog", "waitlink")
        # Since Go 1.26 a pointer that the collector of leaks may not follow stands in a word beside it.
        self._channel = (layout.offset("sudog", "c"), at.get("c.maybeTraceablePtr.vu", -1))
        self._element = (layout.offset("sudog", "elem"), at.get("elem.vu", -1))
        self.in_waiting = "elem.vu" in at
        places = (self.goroutine, self.next, self.waitlink, *self._channel, *self._element)
        self.span = max(places) + 8

    def channel(self, rows: Rows) -> U64:
        """sudog.c."""
        return _either(rows, *self._channel)

    def element(self, rows: Rows) -> U64:
        """sudog.elem."""
        return _either(rows, *self._element)


def _either(rows: Rows, place: int, other: int) -> U64:
    first = words(rows, place)
    return first if other < 0 else np.where(first == 0, words(rows, other), first)


def awaited_channels(
    memory: ProcessMemory, at: SudogLayout, goroutines: Goroutines, rows: I64, meter: Meter
) -> Awaited:
    """The channels that some goroutines wait for, by g.waiting and the sudogs behind it.

    Raises:
        NotDecidedError: They are too many.
        GosondeError: The process has ended, or may not be read.
    """
    parts = []
    sudog, seen = goroutines.waiting[rows], 0
    while len(rows := rows[sudog != 0]):
        sudog = sudog[sudog != 0]
        seen += len(rows)
        meter.bound("channels that goroutines wait for", seen, meter.limits.edges)
        meter.take(len(rows) * at.span)
        found, whole = memory.read_each(sudog, at.span)
        mine = whole & (words(found, at.goroutine) == goroutines.at[rows])
        parts.append(Awaited(rows, np.where(mine, at.channel(found), UNKNOWN), rows, sudog))
        rows, sudog = rows[mine], words(found, at.waitlink)[mine]
    return Awaited.joined(parts)


def awaited_in_waiting(
    memory: ProcessMemory, at: SudogLayout, goroutines: Goroutines, rows: I64, meter: Meter
) -> Awaited:
    """The locks that some goroutines wait for, where g.waiting leads to them (since Go 1.26).

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    rows = rows[goroutines.waiting[rows] != 0]
    sudog = goroutines.waiting[rows]
    meter.take(len(rows) * at.span)
    found, whole = memory.read_each(sudog, at.span)
    mine = whole & (words(found, at.goroutine) == goroutines.at[rows])
    return Awaited(rows, np.where(mine, at.element(found), UNKNOWN), rows, sudog)
