"""Whose memory is read first where not all can be read in time: that of processes whose growth nothing else shows."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

One = TypeVar("One")

#: After so many readings it is known whether a process grows; before that it is taken to.
READINGS_UNTIL_KNOWN = 3
#: How long a process is taken to grow after a site had more goroutines than ever before.
GROWTH_SECONDS = 60.0
#: Sites of a process whose peak is kept; further ones do not show that it grows.
MAX_SITES = 16_384
#: Of so many readings in a row one is left to those that do not grow, so that they have their turn as well.
TURNS = 4


@dataclass(slots=True)
class Peaks:
    """The most goroutines that each site of a process was seen to have.

    Chance rarely makes a new peak, and the more rarely the longer it is looked at; growth makes one again and again.
    """

    clock: Callable[[], float] = time.monotonic
    _most: dict[int, int] = field(default_factory=dict)
    _readings: int = 0
    _rose_at: float = float("-inf")

    def take(self, live: Mapping[int, int]) -> None:
        """Records how many goroutines of each site a reading has found, by link-time pc."""
        self._readings += 1
        for pc, count in live.items():
            most = self._most.get(pc, 0)
            if count > most and (most or len(self._most) < MAX_SITES):
                self._most[pc] = count
                self._rose_at = self.clock() if self._readings > 1 else self._rose_at

    @property
    def may_grow(self) -> bool:
        """Whether the process grows, or is not known well enough to say that it does not."""
        return self._readings < READINGS_UNTIL_KNOWN or self.clock() - self._rose_at < GROWTH_SECONDS


class ReadingOrder:
    """Chooses among readings that are due."""

    def __init__(self) -> None:
        self._growing_in_a_row = 0

    def first(self, growing: Sequence[tuple[float, One]], others: Sequence[tuple[float, One]]) -> One | None:
        """What is to be read now; None when nothing is due.

        Args:
            growing: (since when it is due, what is due) of processes that may grow, and only memory would show it.
            others: The same of all others.
        """
        is_turn_of_others = bool(others) and self._growing_in_a_row >= TURNS - 1
        chosen = others if is_turn_of_others or not growing else growing
        self._growing_in_a_row = 0 if chosen is others else self._growing_in_a_row + 1
        return min(chosen, key=lambda one: one[0])[1] if chosen else None
