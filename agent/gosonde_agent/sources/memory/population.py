"""Which goroutines a process has at a moment, and what became of those of an earlier one. Their stacks are not read."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gosonde_common.values.goroutines import Location, statement

from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.target import Target

U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of goroutines of one `go` statement: how many there were, still are, and ran meanwhile."""

    seen: int
    kept: int
    ran: int


@dataclass(frozen=True, slots=True)
class Population:
    """The goroutines of a moment, in order of their numbers.

    Attributes:
        at_s: time.monotonic() when the reading began.
        goid: uint64[n], rising.
        gopc: Of the `go` statement of each, link-time.
        changes: How often each has left a CPU so far, modulo 256.
    """

    at_s: float
    goid: U64
    gopc: U64
    changes: U8

    def __len__(self) -> int:
        return len(self.goid)

    def fates(self, later: "Population") -> dict[int, Fate]:
        """What became of these goroutines, by gopc."""
        row = np.searchsorted(later.goid, self.goid)
        there = row < len(later)
        there[there] = later.goid[row[there]] == self.goid[there]
        ran = there.copy()
        ran[there] = later.changes[row[there]] != self.changes[there]
        places, place = np.unique(self.gopc, return_inverse=True)
        sums = (np.bincount(place.reshape(-1), of, len(places)).tolist() for of in (None, there, ran))
        return {
            gopc: Fate(int(seen), int(kept), int(moved))
            for gopc, seen, kept, moved in zip(places.tolist(), *sums, strict=True)
        }


def read_population(target: Target) -> Population:
    """Reads all goroutines of a process.

    Raises:
        GosondeError: As `Target.blocks`.
    """
    at_s = time.monotonic()
    blocks = [(block.goid, block.gopc, block.changes) for block in target.blocks(stacks=False)]
    goid, gopc, changes = (np.concatenate(column) for column in zip(*blocks, strict=True))
    order = np.argsort(goid, kind="stable")
    return Population(at_s, goid[order], gopc[order], changes[order])


def by_statement(target: Target, fates: Mapping[int, Fate]) -> dict[Location, Fate]:
    """The same by `go` statement, without goroutines that none made; one statement may have several addresses."""
    found: dict[Location, Fate] = {}
    for place, fate in _placed(target, fates):
        before = found.get(place, Fate(0, 0, 0))
        found[place] = Fate(before.seen + fate.seen, before.kept + fate.kept, before.ran + fate.ran)
    return found


def _placed(target: Target, fates: Mapping[int, Fate]) -> Iterator[tuple[Location, Fate]]:
    for gopc, fate in fates.items():
        try:
            at = target.pclntab.location_of(gopc - 1) if gopc else None
        except MalformedBinaryError:
            continue
        if at is not None:
            yield statement(at), fate
