"""Which statements the goroutines were of that nobody saw come and go: an estimate from windows, and its error.

In a window every creation and every exit is counted at its statement. What the runtime created between two readings of
memory is known exactly, and so is what lives at each statement. So only shares are estimated, never a rate: ADR 0125.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_agent.accounting.baseline import NOTHING, Count
from gosonde_agent.overhead.intervals import of_share, student
from gosonde_agent.sources.counters import UNATTRIBUTED

#: Fewer windows with something in them show nothing of how far one differs from the next.
LEAST_WINDOWS = 3
#: Shares are of so many windows at most: what follows is estimated anew, and added.
MOST_WINDOWS = 128


@dataclass(frozen=True, slots=True)
class SiteWindow:
    """What was counted in one window, by pc.

    Attributes:
        ended_ns: CLOCK_MONOTONIC.
        ns: How long it was.
    """

    ended_ns: int
    ns: int
    counts: Mapping[int, Count]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known for certain of a process at one moment; totals since counting began.

    Attributes:
        sites: What each statement created, and what exited, by pc.
        nameless: Goroutines that came and went unseen.
    """

    sites: Mapping[int, Count]
    nameless: int

    def since(self, before: "Known") -> "Known":
        """What came to be known since then."""
        sites = {
            pc: (created - before.sites.get(pc, NOTHING)[0], exited - before.sites.get(pc, NOTHING)[1])
            for pc, (created, exited) in self.sites.items()
        }
        return Known(sites, self.nameless - before.nameless)


class Estimate(NamedTuple):
    """How many of the nameless goroutines were of one statement: with 95 % from `low` to `high`."""

    number: int
    low: int
    high: int


@dataclass(slots=True)
class _Sums:
    """Over windows: of a statement's creations and exits (weighted), their squares, their products with those of all.

    Attributes:
        windows: In how many it had some.
    """

    windows: int = 0
    own: float = 0.0
    squares: float = 0.0
    products: float = 0.0

    def add(self, own: float, every: float) -> None:
        """Records a window."""
        self.windows += 1
        self.own += own
        self.squares += own**2
        self.products += own * every


@dataclass(slots=True)
class _Shares:
    """The share of each statement in all creations and exits of the time that some windows stand for.

    A window stands for the time since the one before, the first for that since `since_ns` (CLOCK_MONOTONIC).
    """

    since_ns: int
    windows: int = 0
    sites: dict[int, _Sums] = field(default_factory=dict)
    _all: _Sums = field(default_factory=_Sums)
    _chance: float = 0.0

    def add(self, window: SiteWindow) -> None:
        """Records a window."""
        weight = max(window.ended_ns - self.since_ns, window.ns) / window.ns
        events = sum(map(sum, window.counts.values()))
        for pc, count in window.counts.items():
            self.sites.setdefault(pc, _Sums()).add(weight * sum(count), weight * events)
        self._all.add(weight * events, weight * events)
        self._chance += weight**2 * events
        self.windows += 1
        self.since_ns = window.ended_ns

    def of(self, pc: int) -> tuple[float, float, float]:
        """Its share, and with 95 % the least and the most that it can be."""
        found = self.sites[pc]
        share = min(found.own / self._all.own, 1.0)
        # A statement that few windows have seen may come in bursts, of which these few show how large they are.
        return share, *of_share(share, self._draws(share, found), student(max(found.windows - 1, 1)))

    def _draws(self, share: float, found: _Sums) -> float:
        """As many independent goroutines would have shown the share as exactly.

        How far windows differ from each other says so: all goroutines of one may belong together. They are never more
        than were seen, and where all windows show one statement alone, each window is one.
        """
        if share == 1.0:
            return self.windows
        apart = found.squares - 2 * share * found.products + share**2 * self._all.squares
        between = max(apart, 0.0) * self.windows / (self.windows - 1) / self._all.own**2
        # A goroutine that comes and goes is one draw, and two events.
        chance = share * (1 - share) * 2 * self._chance / self._all.own**2
        return share * (1 - share) / max(between, chance)


@dataclass(slots=True)
class _Period:
    """A time that windows cover: what was known when it began and what is now, and what the windows in it show."""

    began: Known
    now: Known
    shares: _Shares

    def estimates(self) -> dict[int, Estimate]:
        """How the goroutines that came to be nameless in it are shared; empty while there are too few windows."""
        known = self.now.since(self.began)
        if self.shares.windows < LEAST_WINDOWS or known.nameless <= 0:
            return {}
        found = {pc: _unseen(known, pc, self.shares.of(pc)) for pc in sorted(self.shares.sites)}
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
        self._period = _Period(known, known, _Shares(now_ns))

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
