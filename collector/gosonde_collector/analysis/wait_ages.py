"""For how long the goroutines of a site wait, as a histogram."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gosonde_collector.evidence.model import GoroutineGroup

#: Bounds between the classes, in seconds: each is four times the one before; the last is more than half a year.
BOUNDS_S: Final = tuple(4**power for power in range(13))


@dataclass(frozen=True, slots=True)
class WaitAges:
    """Goroutines that have waited for at least `from_s` and less than `below_s` seconds (None: without a bound).

    A wait that the runtime has not noted, which it does in its garbage collections alone, counts as below 1 s.
    """

    from_s: int
    below_s: int | None
    goroutines: int


def wait_ages(groups: Iterable[GoroutineGroup]) -> tuple[WaitAges, ...]:
    """The classes from the first to the last that has goroutines, those between them too; the shortest waits first."""
    counts: Counter[int] = Counter()
    for group in groups:
        counts[sum(group.wait_s >= bound for bound in BOUNDS_S)] += group.count
    bounds = (0, *BOUNDS_S, None)
    return tuple(
        WaitAges(bounds[place] or 0, bounds[place + 1], counts[place])
        for place in range(min(counts, default=0), max(counts, default=-1) + 1)
    )
