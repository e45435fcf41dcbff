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
        wait_ns: The longest wait that is known of one of them; None where none is.
        goids: Who they are; empty where the snapshot does not say.
    """

    kind: Kind
    goroutines: int
    wait_ns: int | None
    goids: tuple[int, ...]

    @property
    def group(self) -> Hashable:
        """What those of one group have in common: state, `go` statement and stack."""
        return state_of(self.kind), self.kind.created_by, self.kind.stack


@dataclass(frozen=True, slots=True)
class Group:
    """Goroutines with the same state, `go` statement and stack; `kind` is that of one of them, `wait_ns` as Part's."""

    kind: Kind
    goroutines: int
    wait_ns: int | None


def parts(profile: GoroutineProfile, view: StackView, min_wait_ns: int = 0) -> list[Part]:
    """What the view shows of the snapshot, of goroutines that are known to have waited so long."""
    kept = []
    for group in profile.groups:
        kind = view.kind(_kind(profile, group))
        wait_ns = group.wait_s * SECOND_NS
        if kind is not None and wait_ns >= min_wait_ns:
            kept.append(Part(kind, group.count, wait_ns or None, group.goids))
    return kept


def groups(found: Sequence[Part]) -> list[Group]:
    """The parts, those of one group together; the largest first."""
    together: dict[Hashable, list[Part]] = {}
    for part in found:
        together.setdefault(part.group, []).append(part)
    made = [
        Group(
            same[0].kind,
            sum(part.goroutines for part in same),
            max((part.wait_ns for part in same if part.wait_ns is not None), default=None),
        )
        for same in together.values()
    ]
    return sorted(made, key=lambda group: -group.goroutines)


def names(profile: GoroutineProfile) -> set[str]:
    """All functions and files of its stacks."""
    frames = {frame for group in profile.groups for frame in group.frames}
    return {frame.function for frame in frames} | {frame.file for frame in frames}


def _kind(profile: GoroutineProfile, group: GoroutineGroup) -> Kind:
    return Kind(
        status="",
        wait_reason=group.state,
        created_by=_created_by(profile, group),
        start_function=group.frames[-1].function if group.frames else "",
        system=False,
        active=not group.frames,
        complete=True,
        stack=tuple(map(_location, group.frames)),
    )


def _created_by(profile: GoroutineProfile, group: GoroutineGroup) -> Location:
    if group.created_by is not None:
        return _location(group.created_by)
    is_main = profile.format in WITH_STATEMENT and group.goids == (FIRST_GOID,)
    return MAIN_GOROUTINE if is_main else NOT_KNOWN


def _location(frame: Frame) -> Location:
    return Location(frame.function, frame.file, frame.line)
