"""Two snapshots of one process: which goroutines came, which went, and which stayed."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gosonde_common.values.goroutines import Kind, Location

from gosonde_collector.analysis.looked_at import Part
from gosonde_collector.evidence.model import GoroutineProfile

Key = TypeVar("Key", bound=Hashable)
#: The goids of the earlier snapshot and of the later one.
Identities = tuple[frozenset[int], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Change:
    """Goroutines of one group in two snapshots.

    By identity, `before` is those that went, stayed and moved away, `after` those that came, stayed and moved here. By
    counts alone nobody moves, and the smaller count has stayed: one that ended and one that came look like one that
    stayed.

    Attributes:
        before: In the earlier snapshot.
        after: In the later one.
        came: They are not in the earlier snapshot at all.
        went: They are not in the later one at all.
        stayed: They are in this group in both.
        moved_here: They were in another group.
        moved_away: They are in another group now.
    """

    before: int
    after: int
    came: int
    went: int
    stayed: int
    moved_here: int = 0
    moved_away: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed, what came most first.

    Attributes:
        is_by_identity: Goroutines are known by their goids in both snapshots; else counts alone are compared.
        total: All that are looked at.
        sites: By `go` statement.
        stacks: By state, `go` statement and stack, as the kind has them.
    """

    is_by_identity: bool
    total: Change
    sites: Sequence[tuple[Location, Change]]
    stacks: Sequence[tuple[Kind, Change]]


def identities(earlier: GoroutineProfile, later: GoroutineProfile) -> Identities | None:
    """Who is in each of them; None where one does not name all of its goroutines."""
    named = [frozenset(goid for group in profile.groups for goid in group.goids) for profile in (earlier, later)]
    if len(named[0]) != earlier.goroutines or len(named[1]) != later.goroutines:
        return None
    return named[0], named[1]


def compare(earlier: Sequence[Part], later: Sequence[Part], everyone: Identities | None) -> Comparison:
    """What is looked at of two snapshots, together; `everyone` is all who are in them, looked at or not."""
    stacks = _changes(lambda part: part.kind, earlier, later, everyone)
    sites = _changes(lambda part: part.kind.created_by, earlier, later, everyone)
    total = _changes(lambda _part: "all", earlier, later, everyone).get("all", Change(0, 0, 0, 0, 0))
    return Comparison(everyone is not None, total, _sorted(sites.items()), _sorted(stacks.items()))


@dataclass(slots=True)
class _Side:
    goroutines: int = 0
    goids: set[int] = field(default_factory=set)


def _changes(
    of: Callable[[Part], Key], earlier: Iterable[Part], later: Iterable[Part], everyone: Identities | None
) -> dict[Key, Change]:
    sides: dict[Key, tuple[_Side, _Side]] = {}
    for number, found in enumerate((earlier, later)):
        for part in found:
            side = sides.setdefault(of(part), (_Side(), _Side()))[number]
            side.goroutines += part.goroutines
            if everyone is not None:
                side.goids.update(part.goids)
    return {key: _by_identity(*two, everyone) if everyone else _by_counts(*two) for key, two in sides.items()}


def _by_identity(before: _Side, after: _Side, everyone: Identities) -> Change:
    came, went, stayed = after.goids - everyone[0], before.goids - everyone[1], before.goids & after.goids
    moved_here = len(after.goids) - len(came) - len(stayed)
    moved_away = len(before.goids) - len(went) - len(stayed)
    return Change(before.goroutines, after.goroutines, len(came), len(went), len(stayed), moved_here, moved_away)


def _by_counts(before: _Side, after: _Side) -> Change:
    change = after.goroutines - before.goroutines
    stayed = min(before.goroutines, after.goroutines)
    return Change(before.goroutines, after.goroutines, max(change, 0), max(-change, 0), stayed)


def _sorted(changes: Iterable[tuple[Key, Change]]) -> list[tuple[Key, Change]]:
    """What came most first, then what went most, then what there is most of."""
    return sorted(changes, key=lambda one: (-one[1].came, -one[1].went, -one[1].after))
