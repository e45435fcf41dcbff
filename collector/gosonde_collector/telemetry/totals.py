"""The newest totals of every site of the processes that run, in little memory; what is beyond a quota is summed."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from gosonde_common.goroutine_metrics import TOP_SITES, Estimated
from gosonde_common.owners import OTHERS, Owner, owner_of
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.runtime import RuntimeFigures
from numpy.typing import NDArray

from gosonde_collector.model.values import ProcessKey, Site, Stream

#: Stands for all sites of a process that have no row of their own.
OTHERS_PC: Final = 2**64 - 1

#: What is kept of an estimate.
ESTIMATES: Final = Estimated._fields

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Room:
    """How many more sites may have a row of their own, and how many more may be part of a sum."""

    own: int
    summed: int


@dataclass(slots=True)
class ProcessTotals:
    """Of one process image as one run of an agent counts it.

    Attributes:
        since_unix_nano: When counting began, by the clock of its host.
        started_unix_nano: When it began itself.
        pcs: Its sites, ascending, shape (sites,), uint64.
        counts: Created, exited and baseline of each, shape (3, sites), int64.
        estimates: ESTIMATES of each, shape (6, sites), int64; (6, 0) while nothing is estimated of any.
        own: Whether a site has a row of its own, shape (sites,).
        cycles: GC cycles.
        live: Live goroutines of all sites.
        is_current: Whether it is of the newest run of its agent.
        runtime_figures: The newest; None where its agent has sent none since the collector started.
        reasons: The wait reasons that it named first.
        top: Places of the sites with the most live goroutines that have a row of their own, the most first.
    """

    number: int
    stream: Stream
    key: ProcessKey
    exe: str
    build_id: str
    container: Container = NO_CONTAINER
    go_version: str = ""
    since_unix_nano: int = 0
    started_unix_nano: int = 0
    pcs: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    counts: Column = field(default_factory=lambda: np.empty((3, 0), np.int64))
    estimates: Column = field(default_factory=lambda: np.empty((len(ESTIMATES), 0), np.int64))
    own: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    cycles: int = 0
    runtime_figures: RuntimeFigures | None = None
    live: int = 0
    is_current: bool = True
    reasons: frozenset[str] = frozenset()
    top: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))

    @property
    def owner(self) -> Owner:
        """The labels of the process."""
        return owner_of(self.stream.host, self.key.pid, self.exe, self.container)

    @property
    def sites(self) -> int:
        """Those with a row of their own."""
        return int(np.count_nonzero(self.own))

    @property
    def summed(self) -> int:
        """Those without."""
        return len(self.own) - self.sites

    def take(self, pcs: NDArray[np.uint64], counts: Column, room: Room) -> NDArray[np.bool_]:
        """Adds newer totals: which of the sites have a row of their own.

        A site for which there is no room at all is left out.
        """
        new = np.setdiff1d(pcs, self.pcs)
        self._insert(new[: room.own], is_own=True)
        self._insert(new[room.own : room.own + room.summed], is_own=False)
        known = np.isin(pcs, self.pcs)
        places = np.searchsorted(self.pcs, pcs[known])
        # Totals never fall; a baseline is narrowed down.
        self.counts[:2, places] = np.maximum(self.counts[:2, places], counts[:2, known])
        self.counts[2, places] = counts[2, known]
        self._sum()
        own = np.zeros(len(pcs), np.bool_)
        own[known] = self.own[places]
        return own

    def estimate(self, pcs: NDArray[np.uint64], estimates: Column) -> NDArray[np.bool_]:
        """Notes newer estimates, shape (6, pcs), of sites each of which is there once: which have a row of their own.

        Those of the others are left out.
        """
        places = np.minimum(np.searchsorted(self.pcs, pcs), max(len(self.pcs) - 1, 0))
        known = np.isin(pcs, self.pcs[self.own])
        if known.any():
            if not self.estimates.size:
                self.estimates = np.zeros((len(ESTIMATES), len(self.pcs)), np.int64)
            self.estimates[:, places[known]] = estimates[:, known]
        return known

    def estimated(self, place: int) -> Estimated | None:
        """What is estimated of the site at a place; None for nothing."""
        if not self.estimates.size or not self.estimates[:, place].any():
            return None
        return Estimated(*self.estimates[:, place].tolist())

    def names_reason(self, reason: str, most: int) -> bool:
        """Whether a wait reason is among the first so many."""
        if reason not in self.reasons and len(self.reasons) < most:
            self.reasons |= {reason}
        return reason in self.reasons

    def others(self) -> tuple[int, int, int]:
        """Created, exited and baseline of all sites without a row of their own."""
        created, exited, baseline = (exact_sum(column[~self.own]) for column in self.counts)
        return created, exited, baseline

    def rest(self) -> tuple[int, int, int]:
        """Created, exited and live of all sites but the top ones."""
        created, exited = (exact_sum(column) - exact_sum(column[self.top]) for column in self.counts[:2])
        return created, exited, self.live - exact_sum(self._live()[self.top])

    def _live(self) -> Column:
        live: Column = self.counts[0] - self.counts[1] + self.counts[2]
        return live

    def _sum(self) -> None:
        live = self._live()
        self.live = exact_sum(live)
        places = np.flatnonzero(self.own)
        if len(places) > TOP_SITES:
            places = places[np.argpartition(-live[places], TOP_SITES)[:TOP_SITES]]
        self.top = places[np.argsort(-live[places], kind="stable")]

    def _insert(self, new: NDArray[np.uint64], *, is_own: bool) -> None:
        places = np.searchsorted(self.pcs, new)
        self.pcs = np.insert(self.pcs, places, new)
        self.counts = np.insert(self.counts, places, 0, axis=1)
        if self.estimates.size:
            self.estimates = np.insert(self.estimates, places, 0, axis=1)
        self.own = np.insert(self.own, places, is_own)


def others_site(build_id: str) -> Site:
    """The name of OTHERS_PC."""
    return Site(build_id, OTHERS_PC, OTHERS)


def exact_sum(column: Column) -> int:
    """The sum of 64-bit numbers, which may need more bits."""
    return (int((column >> 32).sum()) << 32) + int((column & 0xFFFFFFFF).sum())
