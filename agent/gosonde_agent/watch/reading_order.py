"""Whose memory is read when, and whose first, where not all can be read in time: growth that nothing else shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gosonde_agent.watch.rising import Rising

One = TypeVar("One")
#: What is read first, the smaller first: whether a report does not wait for it, and since when it is due.
Order = tuple[bool, float]

#: What rose above its peak so often in a row is suspected of growth; more often than the other says no more.
SUSPECTED, LOUDEST = 2, 8
#: After so many looks it is known whether a process grows; before that it is suspected.
LOOKS_UNTIL_KNOWN = 3
#: Least time between two readings of a process that is not probed in full: they find what the probes would have.
BELOW_FULL_SECONDS = 2.0
#: Of so many readings in a row one is left to those that are not suspected, so that they have their turn as well.
TURNS = 4
#: What part of the CPU time of all readings those that are suspected may take.
SUSPECTED_PART = (TURNS - 1) / TURNS
#: The total of a process, as a count that is followed.
TOTAL = 0


@dataclass(slots=True)
class Growth:
    """Whether a process grows: by the goroutines of each site, which readings show, and by their total in between."""

    sites: Rising = field(default_factory=Rising)
    total: Rising = field(default_factory=Rising)
    _last_total: int | None = None

    def read(self, live: Mapping[int, int]) -> None:
        """Takes how many goroutines of each site a reading has found, by link-time pc."""
        self.sites.take(live)

    def look(self, total: int) -> None:
        """Takes how many goroutines live in all. Of two looks the lower counts: some are about to end in each."""
        if self._last_total is not None:
            self.total.take({TOTAL: min(total, self._last_total)})
        self._last_total = total

    @property
    def suspicion(self) -> int:
        """How much it is suspected, from SUSPECTED to LOUDEST; 0 for not at all."""
        streak = max(self.sites.streak, self.total.streak)
        if streak < SUSPECTED:
            is_known = max(self.sites.looks, self.total.looks) >= LOOKS_UNTIL_KNOWN
            return 0 if is_known else SUSPECTED
        return min(streak, LOUDEST)


def periods(suspected: Sequence[tuple[float, int]], share: float) -> list[float]:
    """Seconds between two readings of each process, at least BELOW_FULL_SECONDS; together they take at most a share.

    Each has a part of the share by how much it is suspected. What one does not need is left to those that need more;
    however long a reading takes, nobody but its own process waits for that.

    Args:
        suspected: (CPU seconds of a reading, how much it is suspected) of each.
        share: Of one CPU; inf for no limit.
    """
    found = [BELOW_FULL_SECONDS] * len(suspected)
    left, whole = share, sum(suspicion for _, suspicion in suspected)
    needs = ((seconds / suspicion, place) for place, (seconds, suspicion) in enumerate(suspected))
    for _, place in sorted(needs):
        seconds, suspicion = suspected[place]
        found[place] = max(seconds / (left * suspicion / whole), BELOW_FULL_SECONDS)
        left, whole = left - seconds / found[place], whole - suspicion
    return found


class ReadingOrder:
    """Chooses among readings that are due."""

    def __init__(self) -> None:
        self._suspected_in_a_row = 0

    def first(self, suspected: Sequence[tuple[Order, One]], others: Sequence[tuple[Order, One]]) -> One | None:
        """What is to be read now; None when nothing is due.

        Args:
            suspected: Of processes that may grow, and only memory would show it.
            others: Of all others.
        """
        is_turn_of_others = bool(others) and self._suspected_in_a_row >= TURNS - 1
        chosen = others if is_turn_of_others or not suspected else suspected
        self._suspected_in_a_row = 0 if chosen is others else self._suspected_in_a_row + 1
        return min(chosen, key=lambda one: one[0])[1] if chosen else None
