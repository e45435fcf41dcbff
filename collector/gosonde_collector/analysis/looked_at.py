"""The goroutines of a snapshot as somebody looks at them: which of them, and which of their calls."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gosonde_common.flames.placing import state_of
from gosonde_common.flames.view import StackView
from gosonde_common.strata import Strata, stratum_of
from gosonde_common.values.estimates import Estimate
from gosonde_common.values.goroutines import MAIN_GOROUTINE, Kind, Location

from gosonde_collector.evidence.model import WITH_STATEMENT, Frame, GoroutineGroup, GoroutineProfile

SECOND_NS: Final = 1_000_000_000
#: The first goroutine of a program, and the `go` statement of goroutines of which none is known.
FIRST_GOID: Final = 1
NOT_KNOWN: Final = Location("", "", 0)


@dataclass(frozen=True, slots=True)
class Part:
    """Goroutines of one kind that have waited equally long.

    Attributes:
        kind: All with the same state, `go` statement and stack have the same one, also in other snapshots that were
            looked at together.
        wait_ns: The longest wait that is known of one of them; None where none is.
        goids: Who they are; empty where the snapshot does not say.
    """

    kind: Kind
    goroutines: int
    wait_ns: int | None
    goids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked at of a snapshot.

    Attributes:
        strata: All goroutines that may be looked at, by what their headers say.
    """

    parts: list[Part]
    strata: Strata

    @property
    def total(self) -> Estimate:
        """How many goroutines are looked at."""
        if not (self.strata.by_stack and self.strata.is_sampled):
            return _exactly(sum(part.goroutines for part in self.parts))
        found = Counter[Hashable]()
        for part in self.parts:
            found[stratum_of(part.kind)] += part.goroutines
        return sum((self.strata.looked_at(of, found[of]) for of in self.strata.everyone), _exactly(0))


@dataclass(frozen=True, slots=True)
class Group:
    """Goroutines of one kind; attributes as of Part."""

    kind: Kind
    goroutines: Estimate
    wait_ns: int | None


def _exactly(goroutines: int) -> Estimate:
    return Estimate(goroutines, goroutines, goroutines)


class Looking:
    """Looks at snapshots.

    Args:
        view: Which goroutines, and which of their calls.
        min_wait_ns: Only goroutines that are known to have waited so long.
    """

    def __init__(self, view: StackView, min_wait_ns: int = 0) -> None:
        self._view = view
        self._min_wait_ns = min_wait_ns
        self._kinds: dict[Hashable, Kind] = {}
        self._places: dict[Frame, Location] = {}

    def at(self, profile: GoroutineProfile) -> Looked:
        """What is looked at of a snapshot."""
        kept, strata = [], Strata(by_stack=self._view.by_stack)
        for group in profile.groups:
            wait_ns, whole = group.wait_s * SECOND_NS, self._kind(profile, group)
            if wait_ns < self._min_wait_ns or not self._view.may_choose(whole):
                continue
            strata.count(whole, group.count)
            if kind := self._view.kind(whole):
                same = self._kinds.setdefault((state_of(kind), kind.created_by, kind.stack, kind.unread), kind)
                kept.append(Part(same, group.count, wait_ns or None, group.goids))
        return Looked(kept, strata)

    def _kind(self, profile: GoroutineProfile, group: GoroutineGroup) -> Kind:
        return Kind(
            status="",
            wait_reason=group.state,
            created_by=self._created_by(profile, group),
            start_function=group.frames[-1].function if group.frames else "",
            system=False,
            active=not group.frames and not group.unread,
            complete=True,
            stack=tuple(map(self._place, group.frames)),
            unread=group.unread,
        )

    def _created_by(self, profile: GoroutineProfile, group: GoroutineGroup) -> Location:
        if group.created_by is not None:
            return self._place(group.created_by)
        is_main = profile.format in WITH_STATEMENT and group.goids == (FIRST_GOID,)
        return MAIN_GOROUTINE if is_main else NOT_KNOWN

    def _place(self, frame: Frame) -> Location:
        """Stacks have most of their calls in common: one place is made for each."""
        known = self._places.get(frame)
        if known is None:
            known = self._places[frame] = Location(frame.function, frame.file, frame.line)
        return known


def groups(found: Looked) -> list[Group]:
    """The parts, those of one kind together; the largest first.

    Where not all stacks of a state and `go` statement were read, counts of stacks are estimates. Where none was, the
    goroutines are a group without a stack.
    """
    together: dict[Kind, list[Part]] = {}
    for part in found.parts:
        if not part.kind.unread or not found.strata.read[stratum_of(part.kind)]:
            together.setdefault(part.kind, []).append(part)
    made = [
        Group(
            kind,
            _estimated(found.strata, kind, sum(part.goroutines for part in same)),
            max((part.wait_ns for part in same if part.wait_ns is not None), default=None),
        )
        for kind, same in together.items()
    ]
    return sorted(made, key=lambda group: -group.goroutines.about)


def _estimated(strata: Strata, kind: Kind, goroutines: int) -> Estimate:
    return _exactly(goroutines) if kind.unread else strata.estimate(stratum_of(kind), goroutines)


def comparable(sides: Sequence[Looked]) -> list[Looked]:
    """Snapshots as they are where all stacks were read; else without stacks, so that what is counted is exact."""
    if not any(side.strata.is_sampled for side in sides):
        return list(sides)
    kinds: dict[Hashable, Kind] = {}
    return [_without_stacks(side, kinds) for side in sides]


def _without_stacks(side: Looked, kinds: dict[Hashable, Kind]) -> Looked:
    parts, strata = [], Strata()
    for part in side.parts:
        kind = kinds.setdefault(stratum_of(part.kind), replace(part.kind, stack=(), unread=True))
        parts.append(replace(part, kind=kind))
        strata.count(kind, part.goroutines)
    return Looked(parts, strata)


def names(profile: GoroutineProfile) -> set[str]:
    """All functions and files of its stacks."""
    frames = {frame for group in profile.groups for frame in group.frames}
    return {frame.function for frame in frames} | {frame.file for frame in frames}
