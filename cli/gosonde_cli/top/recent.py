"""Rates over the last seconds, from totals that only rise."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from gosonde_cli.rendering import ABOUT, Figure
from gosonde_cli.top.picture import NO_RATE, Place

#: Rates are over as long, once it has passed.
WINDOW_SECONDS: Final = 5.0
#: Readings kept at most.
MOST: Final = 16

Totals = Mapping[Place, tuple[float, float]]


class Recent:
    """Totals of (created, exited) by `go` statement, as they were at some moments of the last seconds."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Totals]] = deque(maxlen=MOST)

    def add(self, now: float, totals: Totals) -> None:
        """Totals at a moment, seconds; what a window needs no longer goes."""
        self._kept.append((now, totals))
        while len(self._kept) > 2 and self._kept[1][0] <= now - WINDOW_SECONDS:
            self._kept.popleft()

    def per_second(self, place: Place) -> tuple[float, float] | None:
        """(created, exited) each second; None before two moments are known."""
        if len(self._kept) < 2:
            return None
        (since, before), (now, newest) = self._kept[0], self._kept[-1]
        if now <= since or place not in newest:
            return None
        old, new = before.get(place, (0.0, 0.0)), newest[place]
        created, exited = (max(late - early, 0.0) / (now - since) for early, late in zip(old, new, strict=True))
        return created, exited


def figure(rate: float | None, *, is_about: bool) -> Figure:
    """A cell: "0", "0.2", "12.3", "~1,240"; "-" where it is not known."""
    if rate is None:
        return NO_RATE
    return Figure(rate, f"{ABOUT if is_about else ''}{f'{rate:,.0f}' if rate >= 99.95 else f'{rate:.3g}'}")
