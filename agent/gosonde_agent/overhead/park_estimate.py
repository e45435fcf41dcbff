"""How often goroutines parked, from short windows in which it was counted: an estimate and its bounds.

Two things make it wrong. Windows are a sample: how much one differs from the next says how far the sum may be off. And
the probe slows down what it counts, so that the rate in a window is the least that there is without the probe.
ADR 0093 says why the formulas are these.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_agent.overhead.intervals import student

#: Fewer windows show nothing of how far one differs from the next.
LEAST_WINDOWS = 3
#: A hit costs a target at most so many times what it is reported to cost: servers paid up to 1.8 times of what the
#: agent's loops do, of which 1.6 times is reported (ADR 0096). What does nothing but park pays half: `make bench
#: BENCH=parking`.
COST_MARGIN = 1.2


class Three(NamedTuple):
    """Parks, or parks per ns: the least, as counted, and the most."""

    least: float = 0.0
    counted: float = 0.0
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in one window.

    Attributes:
        ended_ns: CLOCK_MONOTONIC.
        ns: How long it was, give or take `slack_ns`.
        counts: Parks by wait reason.
        room_ns: The time that one chain of goroutines that wait for each other had to run in.
        hit_ns: What a hit costs.
    """

    ended_ns: int
    ns: int
    slack_ns: int
    counts: Mapping[int, int]
    room_ns: float
    hit_ns: float

    @property
    def middle_ns(self) -> float:
        """When its rates hold."""
        return self.ended_ns - self.ns / 2

    @property
    def slowing(self) -> float | None:
        """By how many times the parks would have been more without the probe, at most; None when nothing bounds that.

        All hits may lie in one chain, which without them would have had the rest of its room for as many rounds.
        """
        rest = self.room_ns - sum(self.counts.values()) * self.hit_ns * COST_MARGIN
        return self.room_ns / rest if rest > 0 else None

    def rates(self, reason: int) -> Three:
        """Parks per ns for a wait reason, but for sampling."""
        count = self.counts.get(reason, 0)
        most = count / max(self.ns - self.slack_ns, 1) * (self.slowing or 1.0)
        return Three(count / (self.ns + self.slack_ns), count / self.ns, most)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Parks for one reason in the time that is covered.

    Attributes:
        counted: How many of them were really counted.
        parks: How many there were, as the windows have it.
        low: The true number is not below it, with 97.5 %.
        high: The true number is not above it, with 97.5 %; None when nothing bounds it.
    """

    counted: int
    parks: int
    low: int
    high: int | None


@dataclass(slots=True)
class _Reason:
    """Sums for one wait reason.

    Attributes:
        totals: Parks in the time that is covered, but for sampling.
        last: The rates of the newest window.
        between: Variance of the sum by how far windows differ from the next ones.
        poisson: Variance of the sum if parks came at random.
    """

    counted: int = 0
    totals: Three = field(default_factory=Three)
    last: Three = field(default_factory=Three)
    between: float = 0.0
    poisson: float = 0.0


@dataclass(slots=True)
class ParkEstimate:
    """The windows of one process, summed up.

    Attributes:
        windows: How many.
        sampled_ns: How long all of them were.
        covered_ns: What they stand for: from the first to the last, without the times between `part` and the next one.
    """

    windows: int = 0
    sampled_ns: int = 0
    covered_ns: int = 0
    _is_bounded: bool = True
    _pairs: int = 0
    _before: Window | None = None
    _reasons: dict[int, _Reason] = field(default_factory=dict)

    def part(self) -> None:
        """The time until the next window is not covered: nothing may be counted in it."""
        self._before = None

    def add(self, window: Window) -> None:
        """Records the next window. Between two, the rate is taken to go evenly from one's to the other's."""
        before, self._before = self._before, window
        gap = max(window.ended_ns - window.ns - before.ended_ns, 0) if before else 0
        self.windows += 1
        self.sampled_ns += window.ns
        self.covered_ns += window.ns + gap
        self._pairs += before is not None
        self._is_bounded = self._is_bounded and window.slowing is not None
        for reason in {*self._reasons, *window.counts}:
            found = self._reasons.setdefault(reason, _Reason())
            if before is not None:
                self._add_pair(found, reason, before, window)
            self._add_counts(found, window.rates(reason), window.ns, gap)
            found.counted += window.counts.get(reason, 0)

    def _add_counts(self, found: _Reason, rates: Three, ns: int, gap: int) -> None:
        found.totals = Three(
            *(
                total + rate * ns + (rate + last) * gap / 2
                for total, rate, last in zip(found.totals, rates, found.last, strict=True)
            )
        )
        found.last = rates

    def _add_pair(self, found: _Reason, reason: int, before: Window, window: Window) -> None:
        """A window stands for as long as lies between the middles of two; of two neighbours each has half of both."""
        stands_for = window.middle_ns - before.middle_ns
        counts = before.counts.get(reason, 0), window.counts.get(reason, 0)
        rates = counts[0] / before.ns, counts[1] / window.ns
        found.between += stands_for**2 * (rates[1] - rates[0]) ** 2 / 2
        found.poisson += stands_for**2 * (counts[0] / before.ns**2 + counts[1] / window.ns**2) / 2

    def estimates(self) -> dict[int, Estimate]:
        """By wait reason; empty while there are too few windows."""
        if self.windows < LEAST_WINDOWS or not self._pairs:
            return {}
        return {reason: self._estimate(found) for reason, found in self._reasons.items() if found.counted}

    def _estimate(self, found: _Reason) -> Estimate:
        least, parks, most = found.totals
        pairs = max(found.between, found.poisson) * self.windows / self._pairs
        # A window without a neighbour is in no pair; what was counted came at random at the least.
        variance = max(pairs, parks**2 / found.counted)
        down, up = _interval(parks, variance, _quantile(self.windows))
        low = max(found.counted, math.floor(least * down))
        high = max(found.counted, math.ceil(most * up)) if self._is_bounded else None
        return Estimate(found.counted, max(round(parks), found.counted), low, high)


def _interval(total: float, variance: float, z: float) -> tuple[float, float]:
    """Between what a total may lie, as parts of it: as if it were so many times a Poisson number (score interval)."""
    number = total**2 / variance
    spread = z * math.sqrt(number + z**2 / 4)
    return (number + z**2 / 2 - spread) / number, (number + z**2 / 2 + spread) / number


def _quantile(windows: int) -> float:
    """Student's t: variances by successive differences of n values have 2(n-1)²/(3n-4) degrees of freedom."""
    return student(2 * (windows - 1) ** 2 / (3 * windows - 4))
