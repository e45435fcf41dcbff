"""How old the goroutines of a `go` statement are: what distinguishes a leak from a pool, by memory alone.

The runtime notes when a goroutine began to wait, at its garbage collections, and numbers goroutines as it makes them.
It notes the end of the collection before, so an age can be too high by the time between two collections.
So who has a higher number than one that has waited for a minute is younger than whoever made that one, and who has a
lower number is older than a minute.
"""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SECOND: Final = 1_000_000_000
#: Where the bars of the histogram begin, in seconds.
BOUNDS: Final = (0, 10, 60, 600, 3_600, 86_400)
#: Ages are called even when the share that is younger than any age is off by no more than this, and there are so many.
EVEN: Final = 0.25
FEWEST: Final = 20
#: What is said of them then.
EVENLY: Final = "the live ones were created evenly over the program's whole life, as when none ever ends"


@dataclass(frozen=True, slots=True)
class AgeBar:
    """Goroutines of this age or older, and younger than where the next bar begins."""

    at_least_ns: int
    goroutines: int


@dataclass(frozen=True, slots=True)
class Ages:
    """About how old the goroutines of one statement are.

    Attributes:
        bars: The youngest first.
        not_known: Goroutines of whose age nothing is known: the runtime has noted no wait that is younger than they.
        even: They were born evenly over the program's whole life, as when none ever ends; None where too few are known.
    """

    bars: tuple[AgeBar, ...]
    not_known: int
    even: bool | None


class AgesByGoid:
    """What the waits of all goroutines of a process say of the age of each."""

    def __init__(self, waits: Iterable[tuple[int, int]], program_age_ns: int) -> None:
        """`waits`: (goid, how long it has waited in ns) of those of which the runtime has noted it."""
        noted = sorted(waits)
        self._program_age = program_age_ns
        self._goids = [goid for goid, _ in noted]
        self._oldest_from = [wait for _, wait in noted]
        for place in range(len(noted) - 2, -1, -1):  # who has a lower number is older than whoever has a higher one
            self._oldest_from[place] = max(self._oldest_from[place], self._oldest_from[place + 1])

    def at_least(self, goid: int) -> int | None:
        """How old a goroutine is by these waits, in ns, and no older than the program; None when nothing says."""
        place = bisect.bisect_left(self._goids, goid)
        return min(self._oldest_from[place], self._program_age) if place < len(self._goids) else None

    def of(self, goids: Sequence[int]) -> Ages:
        """The ages of some goroutines."""
        known = sorted(age for goid in goids if (age := self.at_least(goid)) is not None)
        bounds = [bound * SECOND for bound in BOUNDS]
        counts = [0] * len(bounds)
        for age in known:
            counts[bisect.bisect_right(bounds, age) - 1] += 1
        bars = tuple(AgeBar(bound, count) for bound, count in zip(bounds, counts, strict=True) if count)
        return Ages(bars, len(goids) - len(known), self._are_even(known))

    def _are_even(self, known: Sequence[int]) -> bool | None:
        """By the largest distance from the even distribution, as in the test of Kolmogorov and Smirnov."""
        if len(known) < FEWEST or not self._program_age:
            return None
        shares = ((place / len(known), age / self._program_age) for place, age in enumerate(known, 1))
        return max(abs(counted - expected) for counted, expected in shares) <= EVEN
