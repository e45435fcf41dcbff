"""Goroutines with the same state, `go` statement and stack, counted together within a bound."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gosonde_common.flames.placing import By, state_of

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind, Location

    Group = tuple[str, Location, tuple[Location, ...], str, str]

#: Kinds that are counted before they are put together into groups.
MOST_KINDS: Final = 10_000
#: The calls of the stacks of all groups at most, and how many calls a group counts for beside those of its stack.
MOST_CALLS: Final = 10_000_000
GROUP_CALLS: Final = 40


@dataclass(frozen=True, slots=True)
class Row:
    """A group.

    Attributes:
        longest_ns: The longest wait that is known of one of them.
        kind: That of one of them.
    """

    goroutines: int
    longest_ns: int | None
    kind: "Kind"


def groups_of(found: "Iterable[GoroutineColumns]") -> "Groups":
    """All of them."""
    groups = Groups()
    for columns in found:
        groups.add(columns)
    groups.merge()
    return groups


class Groups:
    """How many goroutines each group has, and the longest wait that is known of one of them.

    They are counted by their kinds first: a stack takes long to compare. When there are too many different stacks, the
    smallest groups go.

    Attributes:
        system: The runtime's own, which are in no group.
        left_out: Goroutines of groups that went.
        firsts: A kind of each group.
    """

    def __init__(self) -> None:
        self.counts: Counter[Group] = Counter()
        self.longest: dict[Group, int] = {}
        self.firsts: dict[Group, Kind] = {}
        self.system = 0
        self.left_out = 0
        self._calls = 0
        self._kinds: Counter[Kind] = Counter()
        self._waits: dict[Kind, int] = {}

    def add(self, columns: "GoroutineColumns") -> None:
        """Counts some more; `merge` has them counted in their groups."""
        self._kinds.update(columns.kinds)
        waits = self._waits
        for kind, wait_ns in zip(columns.kinds, columns.waits_ns, strict=True):
            if wait_ns is not None and wait_ns >= waits.get(kind, 0):
                waits[kind] = wait_ns
        if len(self._kinds) > MOST_KINDS:
            self.merge()

    def merge(self) -> None:
        """Goes over from kinds to groups."""
        for kind, count in self._kinds.items():
            if kind.system:
                self.system += count
                continue
            group = (state_of(kind), kind.created_by, kind.stack, kind.cause, kind.group)
            if group not in self.counts:
                self._calls += GROUP_CALLS + len(kind.stack)
                self.firsts[group] = kind
            self.counts[group] += count
            if kind in self._waits:
                self.longest[group] = max(self.longest.get(group, 0), self._waits[kind])
        self._kinds.clear()
        self._waits.clear()
        if self._calls > MOST_CALLS:
            self._leave_out()

    def _leave_out(self) -> None:
        """Forgets the smaller half of the groups."""
        going = self.counts.most_common()[len(self.counts) // 2 :]
        for group, count in going:
            self.left_out += count
            self._calls -= GROUP_CALLS + len(group[2])
            del self.counts[group], self.firsts[group]
            self.longest.pop(group, None)

    @property
    def total(self) -> int:
        """Goroutines that are not the runtime's own."""
        return sum(self.counts.values()) + self.left_out

    @staticmethod
    def _common(group: "Group", by: By) -> "Location | str":
        state, made_by, _stack, _cause, label = group
        match by:
            case By.SITE:
                return made_by
            case By.STATE:
                return state
        return label

    def rows(self, by: By = By.STACK) -> list[Row]:
        """The groups, the largest first; those of one size in the order in which they were read."""
        if by is By.STACK:
            return [Row(count, self.longest.get(of), self.firsts[of]) for of, count in self.counts.most_common()]
        counts: Counter[Location | str] = Counter()
        longest: dict[Location | str, int] = {}
        firsts: dict[Location | str, Kind] = {}
        for group, count in self.counts.items():
            of = self._common(group, by)
            counts[of] += count
            firsts.setdefault(of, self.firsts[group])
            if group in self.longest:
                longest[of] = max(longest.get(of, 0), self.longest[group])
        return [Row(count, longest.get(of), firsts[of]) for of, count in counts.most_common()]
