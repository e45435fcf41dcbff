"""The shares that statements have in what a program creates, from windows that see all for a while, and samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gosonde_agent.accounting.baseline import NOTHING, Count
from gosonde_agent.golang.refill import BATCH
from gosonde_agent.overhead.intervals import of_share, student

Floats: TypeAlias = npt.NDArray[np.float64]

#: Fewer windows with samples in them do not show how far samples are right.
LEAST_SAMPLED = 5
#: How much it takes to believe that samples are wrong, in parts of what chance would show.
PRIOR = 0.05
#: So many windows that differ as if by chance are added where real ones differ by less: few may be alike by chance.
ALIKE = 4


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
class Shares:
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
        # A statement that few windows have seen may come in bursts, of which these few show how large they are.
        seen = np.array([max(self.sites[pc].windows[kind] - 1, 1) if pc in self.sites else 1 for pc in pcs])
        errors = self._errors(shares, apart.beyond(agreement) * windows / free, agreement, kind, seen)
        errors += off**2 * shares * (1 - shares)
        found: dict[int, tuple[float, float, float]] = {}
        for pc, share, error, own in zip(pcs, shares.tolist(), errors.tolist(), seen.tolist(), strict=True):
            factor = agreement * student(free) + (1 - agreement) * student(own)
            # Where all windows show one statement alone, each window is one draw.
            draws = share * (1 - share) / error if error > 0 else windows
            found[pc] = share, *of_share(share, draws, factor)
        return found

    def _errors(
        self, shares: Floats, between: Floats, agreement: float, kind: int, seen: npt.NDArray[np.int64]
    ) -> Floats:
        """Variances of shares, by how far windows differ: all goroutines of one may belong together.

        Args:
            seen: How many windows beyond the first have seen each statement, at least 1.
        """
        independent = shares * (1 - shares)
        # What is rare is in few windows or none: how far samples are right is known from all statements together.
        together = agreement * between.sum() / independent.sum() if independent.sum() > 0 else 0.0
        # Goroutines that come by chance are a draw each. One that comes and goes is one draw, and two events.
        draw = (2.0 if kind == EVENTS else 1.0) * self._squares[kind] / self._all.sums[kind] ** 2
        by_chance = independent * (1 - agreement) * draw
        alike = (seen * between + ALIKE * by_chance) / (seen + ALIKE)
        return np.where(independent > 0, np.maximum(np.maximum(between, alike), independent * together), 0.0)

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
