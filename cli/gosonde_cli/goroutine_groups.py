"""Goroutines with the same state, `go` statement and stack, counted together within a bound."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gosonde_common.flames.placing import By, state_of
from gosonde_common.strata import Seen, Strata, stratum_of
from gosonde_common.values.estimates import Estimate

if TYPE_CHECKING:
    from gosonde_common.strata import Stratum
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
        found: How many goroutines it has.
        longest_ns: The longest wait that is known of one of them; of a stack, of those that were read.
        kind: That of one of them.
    """

    found: Estimate
    longest_ns: int | None
    kind: "Kind"

    @property
    def goroutines(self) -> int:
        """As many, or about as many."""
        return self.found.about


def groups_of(found: "Iterable[GoroutineColumns]") -> "Groups":
    """All of them; of goroutines that somebody looks at their strata, too."""
    groups = Groups(found.strata if isinstance(found, Seen) else None)
    for columns in found:
        groups.add(columns)
    groups.merge()
    return groups


class Groups:
    """How many goroutines each group has, and the longest wait that is known of one of them.

    They are counted by their kinds first: a stack takes long to compare. When there are too many different stacks, the
    smallest groups go.

    Attributes:
        strata: All goroutines by what their headers say; what was not read is in no group.
        system: The runtime's own, which are in no group.
        left_out: Goroutines of groups that went.
        firsts: A kind of each group.
        unread: Goroutines whose stacks were not read.
    """

    def __init__(self, strata: Strata | None = None) -> None:
        self.strata = strata or Strata()
        self._is_counting = strata is None
        self.counts: Counter[Group] = Counter()
        self.longest: dict[Group, int] = {}
        self.firsts: dict[Group, Kind] = {}
        self.system = 0
        self.left_out = 0
        self.unread: Counter[Stratum] = Counter()
        self._unread_firsts: dict[Stratum, Kind] = {}
        self._unread_longest: dict[Stratum, int] = {}
        self._calls = 0
        self._kinds: Counter[Kind] = Counter()
        self._waits: dict[Kind, int] = {}

    def add(self, columns: "GoroutineColumns") -> None:
        """Counts some more; `merge` has them counted in their groups."""
        self._kinds.update(columns.kinds)
        if self._is_counting:
            self.strata.add(columns.kinds)
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
            if kind.unread:
                self._add_unread(kind, count)
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

    def _add_unread(self, kind: "Kind", count: int) -> None:
        stratum = stratum_of(kind)
        self.unread[stratum] += count
        self._unread_firsts.setdefault(stratum, kind)
        if kind in self._waits:
            self._unread_longest[stratum] = max(self._unread_longest.get(stratum, 0), self._waits[kind])

    @property
    def total(self) -> Estimate:
        """Goroutines that are looked at and not the runtime's own."""
        found: Counter[Stratum] = Counter()
        for group, count in self.counts.items():
            found[_stratum(group)] += count
        whole = sum((self.strata.looked_at(of, found[of]) for of in self.strata.everyone), Estimate(0, 0, 0))
        return whole + Estimate(*[self.left_out] * 3) if self.strata.by_stack else whole

    def rows(self, by: By = By.STACK) -> list[Row]:
        """The groups, the largest first; those of one size in the order in which they were read."""
        return self._by_stack() if by is By.STACK else self._by_header(by)

    def _by_stack(self) -> list[Row]:
        rows = [
            Row(self.strata.estimate(_stratum(of), count), self.longest.get(of), self.firsts[of])
            for of, count in self.counts.most_common()
        ]
        unknown = [
            Row(Estimate(count, count, count), self._unread_longest.get(of), self._unread_firsts[of])
            for of, count in self.unread.items()
            if not self.strata.read[of]
        ]
        return sorted(rows + unknown, key=lambda row: -row.goroutines)

    def _by_header(self, by: By) -> list[Row]:
        found: Counter[Stratum] = Counter()
        firsts: dict[Stratum, Kind] = dict(self._unread_firsts)
        longest: dict[Stratum, int] = dict(self._unread_longest)
        for group, count in self.counts.items():
            stratum = _stratum(group)
            found[stratum] += count
            firsts.setdefault(stratum, self.firsts[group])
            if group in self.longest:
                longest[stratum] = max(longest.get(stratum, 0), self.longest[group])
        together: dict[Location | str, Row] = {}
        for stratum, kind in firsts.items():
            of = _common(stratum, by)
            row = Row(self.strata.looked_at(stratum, found[stratum]), longest.get(stratum), kind)
            together[of] = _joined(together[of], row) if of in together else row
        return sorted(together.values(), key=lambda row: -row.goroutines)


def _stratum(group: "Group") -> "Stratum":
    state, made_by, _stack, _cause, label = group
    return state, made_by, label


def _common(stratum: "Stratum", by: By) -> "Location | str":
    state, made_by, label = stratum
    match by:
        case By.SITE:
            return made_by
        case By.STATE:
            return state
    return label


def _joined(one: Row, other: Row) -> Row:
    waits = [row.longest_ns for row in (one, other) if row.longest_ns is not None]
    return Row(one.found + other.found, max(waits, default=None), one.kind)
