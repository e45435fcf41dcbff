"""The goroutines of a snapshot as somebody looks at them: which of them, and which of their calls."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from gosonde_common.flames.placing import state_of
from gosonde_common.flames.view import StackView
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
class Group:
    """Goroutines of one kind; attributes as of Part."""

    kind: Kind
    goroutines: int
    wait_ns: int | None


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

    def parts(self, profile: GoroutineProfile) -> list[Part]:
        """What is looked at of a snapshot."""
        kept = []
        for group in profile.groups:
            wait_ns = group.wait_s * SECOND_NS
            kind = self._view.kind(self._kind(profile, group)) if wait_ns >= self._min_wait_ns else None
            if kind is not None:
                same = self._kinds.setdefault((state_of(kind), kind.created_by, kind.stack), kind)
                kept.append(Part(same, group.count, wait_ns or None, group.goids))
        return kept

    def _kind(self, profile: GoroutineProfile, group: GoroutineGroup) -> Kind:
        return Kind(
            status="",
            wait_reason=group.state,
            created_by=self._created_by(profile, group),
            start_function=group.frames[-1].function if group.frames else "",
            system=False,
            active=not group.frames,
            complete=True,
            stack=tuple(map(self._place, group.frames)),
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


def groups(found: Sequence[Part]) -> list[Group]:
    """The parts, those of one kind together; the largest first."""
    together: dict[Kind, list[Part]] = {}
    for part in found:
        together.setdefault(part.kind, []).append(part)
    made = [
        Group(
            kind,
            sum(part.goroutines for part in same),
            max((part.wait_ns for part in same if part.wait_ns is not None), default=None),
        )
        for kind, same in together.items()
    ]
    return sorted(made, key=lambda group: -group.goroutines)


def names(profile: GoroutineProfile) -> set[str]:
    """All functions and files of its stacks."""
    frames = {frame for group in profile.groups for frame in group.frames}
    return {frame.function for frame in frames} | {frame.file for frame in frames}
