"""Which statements the goroutines were of that nobody saw come and go: an estimate from windows, and its error.

In a window every creation and every exit is counted at its statement. What the runtime created between two readings of
memory is known exactly, and so is what lives at each statement. So only shares are estimated, never a rate: ADR 0125.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_agent.accounting.baseline import NOTHING, Count
from gosonde_agent.overhead.site_shares import Shares, SiteWindow
from gosonde_agent.sources.counters import UNATTRIBUTED

#: Fewer windows with something in them show nothing of how far one differs from the next.
LEAST_WINDOWS = 3
#: Shares are of so many windows at most: what follows is estimated anew, and added.
MOST_WINDOWS = 128


@dataclass(frozen=True, slots=True)
class Known:
    """What is known for certain of a process at one moment; totals since counting began.

    Attributes:
        sites: What each statement created, and what exited, by pc.
        nameless: Goroutines that came and went unseen.
        samples: Creations that were sampled in windows and between them, by pc; empty where none are.
    """

    sites: Mapping[int, Count]
    nameless: int
    samples: Mapping[int, int] = field(default_factory=dict)

    def since(self, before: "Known") -> "Known":
        """What came to be known since then."""
        sites = {
            pc: (created - before.sites.get(pc, NOTHING)[0], exited - before.sites.get(pc, NOTHING)[1])
            for pc, (created, exited) in self.sites.items()
        }
        samples = {pc: number - before.samples.get(pc, 0) for pc, number in self.samples.items()}
        return Known(sites, self.nameless - before.nameless, samples)


class Estimate(NamedTuple):
    """How many of the nameless goroutines were of one statement: with 95 % from `low` to `high`."""

    number: int
    low: int
    high: int


@dataclass(slots=True)
class _Period:
    """A time that windows cover: what was known when it began and what is now, and what the windows in it show."""

    began: Known
    now: Known
    shares: Shares

    def estimates(self) -> dict[int, Estimate]:
        """How the goroutines that came to be nameless in it are shared; empty while there are too few windows."""
        known = self.now.since(self.began)
        if self.shares.windows < LEAST_WINDOWS or known.nameless <= 0:
            return {}
        creations = sum(created for created, _ in known.sites.values()) + known.nameless
        shares = self.shares.found(known.samples, creations)
        found = {pc: _unseen(known, pc, shares[pc]) for pc in sorted(shares)}
        numbers = _summing_up(known.nameless, {pc: likely for pc, (likely, _, _) in found.items()})
        return {
            pc: Estimate(
                number, min(math.floor(found[pc][1]), number), max(min(math.ceil(found[pc][2]), known.nameless), number)
            )
            for pc, number in numbers.items()
            if pc != UNATTRIBUTED
        }


def _unseen(known: Known, pc: int, shares: tuple[float, float, float]) -> tuple[float, float, float]:
    """Nameless goroutines of a statement that has these shares of all creations and exits."""
    every = sum(map(sum, known.sites.values())) + 2 * known.nameless
    likely, least, most = (max(share * every - sum(known.sites.get(pc, NOTHING)), 0.0) / 2 for share in shares)
    return likely, least, most


def _summing_up(total: int, parts: Mapping[int, float]) -> dict[int, int]:
    """Whole numbers as the parts, which add up to the total; none where the parts are nothing."""
    whole, end = sum(parts.values()), 0.0
    numbers: dict[int, int] = {}
    for pc, part in parts.items() if whole else ():
        before, end = end, end + part * total / whole
        numbers[pc] = round(end) - round(before)
    return numbers


@dataclass(slots=True)
class SiteShares:
    """The windows of one process, and what they say of the goroutines that nobody saw come and go.

    Attributes:
        windows: How many, since counting began.
        sampled_ns: How long all of them were.
    """

    windows: int = 0
    sampled_ns: int = 0
    _period: _Period | None = None
    _before: dict[int, Estimate] = field(default_factory=dict)

    def knows(self, sites: Mapping[int, Count], nameless: int) -> bool:
        """Whether nothing else was followed last."""
        return self._period is not None and (self._period.now.sites, self._period.now.nameless) == (sites, nameless)

    def follow(self, known: Known, now_ns: int) -> None:
        """What is known now (CLOCK_MONOTONIC), at level sampled: what comes to be nameless from now on is covered.

        What a program does may change, so shares are of MOST_WINDOWS at most.
        """
        if self._period is not None and self._period.shares.windows < MOST_WINDOWS:
            self._period.now = known
            return
        if self._period is not None:
            self._period.now = known
            self.part()
        self._period = _Period(known, known, Shares(now_ns))

    def part(self) -> None:
        """What comes to be nameless until `follow` is called again is not covered."""
        if self._period is not None:
            self._before, self._period = self.estimates(), None

    def add(self, window: SiteWindow) -> None:
        """Records a window, also one in which nothing happened."""
        if self._period is not None:
            self.windows += 1
            self.sampled_ns += window.ns
            self._period.shares.add(window)

    def estimates(self) -> dict[int, Estimate]:
        """By pc; a statement that is not there has none of the nameless goroutines, as far as is known."""
        now = self._period.estimates() if self._period else {}
        return {pc: _sum([part[pc] for part in (self._before, now) if pc in part]) for pc in {**self._before, **now}}


def _sum(parts: list[Estimate]) -> Estimate:
    """Of estimates that do not depend on each other, so that not all of them err to the same side."""
    number = sum(part.number for part in parts)
    down = math.hypot(*(part.number - part.low for part in parts))
    up = math.hypot(*(part.high - part.number for part in parts))
    return Estimate(number, max(math.floor(number - down), 0), math.ceil(number + up))
