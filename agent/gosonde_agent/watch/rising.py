"""Which of several counts rise and rise, distinguished from those that go up and down, after a handful of looks."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: How long a count that stands still after it rose is taken to rise: what leaks may be rare.
LASTING_SECONDS = 30.0
#: Counts that are followed; further ones do not show that anything rises.
MAX_COUNTS = 16_384
#: A peak that is not reached comes down by this part of the difference with each look: growth shows after a burst, too.
FORGETTING = 16
#: What has a lower one is forgotten.
LEAST_PEAK = 0.5


@dataclass(slots=True)
class _Count:
    """Its peak, which is forgotten little by little; how often in a row it rose above that, and when it last did."""

    peak: float
    streak: int = 0
    rose_at: float = float("-inf")


@dataclass(slots=True)
class Rising:
    """Follows counts by what they are of.

    By chance a count is rarely higher than ever before, and hardly ever twice in a row; one that grows is so again and
    again. Each look at which it is below its peak halves what it had in a row, so that a leak beside exits shows.

    Attributes:
        looks: How many there were.
    """

    clock: Callable[[], float] = time.monotonic
    looks: int = 0
    _counts: dict[int, _Count] = field(default_factory=dict)
    _streak: int = 0
    _rose_at: float = float("-inf")

    def take(self, counts: Mapping[int, int]) -> None:
        """Records a look at all of them; what is not among them counts nothing."""
        for key in self._counts.keys() - counts.keys():
            self._fall(key, self._counts[key], 0)
        now = self.clock()
        for key, count in counts.items():
            known = self._counts.get(key)
            if known is None:
                self._meet(key, count, now)
            elif count >= known.peak + 1:
                known.peak, known.streak, known.rose_at = float(count), known.streak + 1, now
            elif count < known.peak:
                self._fall(key, known, count)
        self.looks += 1
        best = max(self._counts.values(), key=lambda one: _recent(one, now), default=None)
        self._streak, self._rose_at = (best.streak, best.rose_at) if best else (0, float("-inf"))

    def _meet(self, key: int, count: int, now: float) -> None:
        if count > 0 and len(self._counts) < MAX_COUNTS:
            self._counts[key] = _Count(count, 1, now) if self.looks else _Count(count)

    def _fall(self, key: int, known: _Count, count: int) -> None:
        known.streak //= 2
        known.peak -= (known.peak - count) / FORGETTING
        if known.peak < LEAST_PEAK:
            del self._counts[key]

    @property
    def streak(self) -> int:
        """How often in a row the count that rises most was higher than ever before; 0 when none has risen of late."""
        return self._streak if self.clock() - self._rose_at < LASTING_SECONDS else 0


def _recent(one: _Count, now: float) -> tuple[int, float]:
    return (one.streak, one.rose_at) if now - one.rose_at < LASTING_SECONDS else (0, one.rose_at)
