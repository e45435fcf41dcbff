"""Which statements the goroutines were of that nobody saw come and go: an estimate from windows, and its error.

In a window every creation and every exit is counted at its statement. What the runtime created between two readings of
memory is known exactly, and so is what lives at each statement. So only shares are estimated, never a rate: ADR 0125.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gosonde_agent.accounting.baseline import NOTHING, Count
from gosonde_agent.golang.refill import BATCH
from gosonde_agent.overhead.intervals import of_share, student
from gosonde_agent.sources.counters import UNATTRIBUTED

Floats: TypeAlias = npt.NDArray[np.float64]

#: Fewer windows with something in them show nothing of how far one differs from the next.
LEAST_WINDOWS = 3
#: Fewer windows with samples in them do not show how far samples are right.
LEAST_SAMPLED = 5
#: How much it takes to believe that samples are wrong, in parts of what chance would show.
PRIOR = 0.05
#: Shares are of so many windows at most: what follows is estimated anew, and added.
MOST_WINDOWS = 128


@dataclass(frozen=True, slots=True)
class SiteWindow:
    """What was counted in one window, by pc.

    Attributes:
        ended_ns: CLOCK_MONOTONIC.
        ns: How long it was.
        samples: Creations in it that were sampled as all are, by pc; empty where none are.
    """

    ended_ns: int
    ns: int
    counts: Mapping[int, Count]
    samples: Mapping[int, int] = field(default_factory=dict)


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


#: What is summed over windows, each weighted by the time that it stands for.
EVENTS, CREATED, SAMPLED = range(3)


@dataclass(slots=True)
class _Sums:
    """Of one statement, over windows: what it had, and the products of that with what all had.

    A window has three numbers: creations and exits, creations, and samples.

    Attributes:
        windows: int[3]: in how many it had some.
        sums: float[3].
        products: float[3, 6]: of its own with its own, and with those of all.
    """

    windows: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    sums: Floats = field(default_factory=lambda: np.zeros(3))
    products: Floats = field(default_factory=lambda: np.zeros((3, 6)))

    def add(self, own: Floats, every: Floats) -> None:
        """Records a window: float[3] each."""
        self.windows += own > 0
        self.sums += own
        self.products += np.outer(own, np.concatenate((own, every)))


@dataclass(frozen=True, slots=True)
class _Apart:
    """How far the shares in windows are from those in all windows, by statement: sums over windows.

    Attributes:
        own: Of its share, squared.
        both: That times how far its share of the samples is.
        sampled: The latter squared.
    """

    own: Floats
    both: Floats
    sampled: Floats

    def agreement(self, chance: float) -> float:
        """By how much a share is larger where that of the samples is larger by one; of all statements together.

        Without anything else to go by it is 1; `chance` is how far the samples would be apart by chance alone, squared.
        """
        prior = PRIOR * chance
        whole = float(self.sampled.sum()) + prior
        return min(max((float(self.both.sum()) + prior) / whole, 0.0), 1.0) if whole > 0 else 0.0

    def beyond(self, agreement: float) -> Floats:
        """How far shares are from where the samples have them, squared."""
        return np.maximum(self.own - 2 * agreement * self.both + agreement**2 * self.sampled, 0.0)


@dataclass(slots=True)
class _Shares:
    """The share of each statement in all creations and exits of the time that some windows stand for.

    A window stands for the time since the one before, the first for that since `since_ns` (CLOCK_MONOTONIC).
    """

    since_ns: int
    windows: int = 0
    sites: dict[int, _Sums] = field(default_factory=dict)
    _all: _Sums = field(default_factory=_Sums)
    _squares: Floats = field(default_factory=lambda: np.zeros(3))

    def add(self, window: SiteWindow) -> None:
        """Records a window."""
        weight = max(window.ended_ns - self.since_ns, window.ns) / window.ns
        pcs = window.counts.keys() | window.samples.keys()
        rows = {pc: _row(window.counts.get(pc, NOTHING), window.samples.get(pc, 0)) for pc in pcs}
        every = np.sum([*rows.values(), np.zeros(3)], axis=0)
        for pc, own in rows.items():
            self.sites.setdefault(pc, _Sums()).add(weight * own, weight * every)
        self._all.add(weight * every, weight * every)
        self._squares += weight**2 * every
        self.windows += 1
        self.since_ns = window.ended_ns

    def found(self, samples: Mapping[int, int], creations: int) -> dict[int, tuple[float, float, float]]:
        """By pc its share, and with 95 % the least and the most that it can be.

        Args:
            samples: Of all the time. Where windows differ in the same way as the samples in them, all differs from the
                windows as the samples do (a regression estimator, with one coefficient for all statements).
            creations: All of the same time.
        """
        whole = sum(samples.values())
        # Samples are of creations, and exits come later.
        kind = CREATED if whole and self._all.windows[SAMPLED] >= LEAST_SAMPLED else EVENTS
        if not self._all.sums[kind]:
            return {}
        pcs = [*self.sites, *(samples.keys() - self.sites.keys())]
        shares, sampled, apart = self._compared(pcs, kind)
        agreement, off = 0.0, 0.0
        if kind is CREATED:
            true = np.array([samples.get(pc, 0) for pc in pcs]) / whole
            draw = self._squares[SAMPLED] / self._all.sums[SAMPLED] ** 2
            agreement = apart.agreement(draw * float((true * (1 - true)).sum()))
            shares = np.clip(shares + agreement * (true - sampled), 0.0, 1.0)
            shares /= shares.sum()
            # What samples do not account for may all be of one statement, and was not sampled.
            off = agreement * abs(BATCH * whole - creations) / max(creations, 1)
        windows = int(self._all.windows[kind])
        free = max(windows - 1 - bool(agreement), 1)
        errors = self._errors(shares, apart.beyond(agreement) * windows / free, agreement, kind)
        errors += off**2 * shares * (1 - shares)
        found: dict[int, tuple[float, float, float]] = {}
        for pc, share, error in zip(pcs, shares.tolist(), errors.tolist(), strict=True):
            seen = self.sites[pc].windows[kind] if pc in self.sites else 0
            # A statement that few windows have seen may come in bursts, of which these few show how large they are.
            factor = agreement * student(free) + (1 - agreement) * student(max(seen - 1, 1))
            # Where all windows show one statement alone, each window is one draw.
            draws = share * (1 - share) / error if error > 0 else windows
            found[pc] = share, *of_share(share, draws, factor)
        return found

    def _errors(self, shares: Floats, between: Floats, agreement: float, kind: int) -> Floats:
        """Variances of shares, by how far windows differ: all goroutines of one may belong together."""
        independent = shares * (1 - shares)
        # What is rare is in few windows or none: how far samples are right is known from all statements together.
        together = agreement * between.sum() / independent.sum() if independent.sum() > 0 else 0.0
        # There are never more draws than goroutines. One that comes and goes is one draw, and two events.
        draw = (2.0 if kind == EVENTS else 1.0) * self._squares[kind] / self._all.sums[kind] ** 2
        return np.where(independent > 0, np.maximum(between, independent * max(together, (1 - agreement) * draw)), 0.0)

    def _compared(self, pcs: Sequence[int], kind: int) -> tuple[Floats, Floats, _Apart]:
        """Shares of a kind, shares of the samples, and how far windows are apart."""
        nothing, of = _Sums(), [kind, SAMPLED]
        found = [self.sites.get(pc, nothing) for pc in pcs]
        whole, samples = np.maximum(self._all.sums[of], 1e-9)
        own, sampled = (np.array([sums.sums[of] for sums in found]) / (whole, samples)).T
        products = np.array([sums.products[of] for sums in found])[:, :, [kind, SAMPLED, kind + 3, SAMPLED + 3]]
        (squared, crossed), (_, sampled_squared) = self._all.products[of][:, of]
        apart = _Apart(
            (products[:, 0, 0] - 2 * own * products[:, 0, 2] + own**2 * squared) / whole**2,
            (products[:, 0, 1] - sampled * products[:, 0, 3] - own * products[:, 1, 2] + own * sampled * crossed)
            / (whole * samples),
            (products[:, 1, 1] - 2 * sampled * products[:, 1, 3] + sampled**2 * sampled_squared) / samples**2,
        )
        return own, sampled, apart


def _row(count: Count, samples: int) -> Floats:
    return np.array([sum(count), count[0], samples], np.float64)


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
