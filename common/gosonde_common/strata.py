"""How many goroutines there are of each state and `go` statement, and of how many of them the stack was read."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gosonde_common.flames.placing import state_of
from gosonde_common.values.estimates import Estimate, estimate, surely_seen

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind, Location

    Stratum = tuple[str, Location, str]


class Strata:
    """All that headers say, exactly; what stacks say is estimated from it.

    Attributes:
        by_stack: Goroutines are chosen by their stacks: not all that are counted here are looked at.
    """

    def __init__(self, *, by_stack: bool = False) -> None:
        self.by_stack = by_stack
        self.everyone: Counter[Stratum] = Counter()
        self.read: Counter[Stratum] = Counter()

    def add(self, kinds: "Iterable[Kind]") -> None:
        """Counts goroutines, one for each kind that is given."""
        for kind, count in Counter(kinds).items():
            self.count(kind, count)

    def count(self, kind: "Kind", goroutines: int) -> None:
        """Counts so many of one kind."""
        if not kind.system:
            self.everyone[stratum_of(kind)] += goroutines
            if not kind.unread:
                self.read[stratum_of(kind)] += goroutines

    @property
    def is_sampled(self) -> bool:
        """Some stacks were not read."""
        return self.everyone.total() > self.read.total()

    def estimate(self, stratum: "Stratum", found: int) -> Estimate:
        """How many goroutines of a stratum are like `found` of it whose stacks were read."""
        return estimate(self.everyone[stratum], self.read[stratum], found)

    def looked_at(self, stratum: "Stratum", found: int) -> Estimate:
        """How many goroutines of a stratum are looked at: `found` of them are those whose stacks were read."""
        everyone = self.everyone[stratum]
        return self.estimate(stratum, found) if self.by_stack else Estimate(everyone, everyone, everyone)

    def note(self) -> str:
        """What to know of counts of stacks, in a sentence; empty where all were read."""
        if not self.is_sampled:
            return ""
        everyone, read = self.everyone.total(), self.read.total()
        return (
            f"the stacks of {read:,} of {everyone:,} goroutines were read, so counts of stacks are estimates, "
            f"in 99 of 100 cases within the bounds; stacks of fewer than {surely_seen(everyone, read):,} goroutines "
            "may be missing"
        )


class Seen:
    """Goroutines that are looked at, to go through once, and the strata of all of them, which grow meanwhile."""

    def __init__(self, columns: "Iterator[GoroutineColumns]", strata: Strata) -> None:
        self._columns = columns
        self.strata = strata

    def __iter__(self) -> "Iterator[GoroutineColumns]":
        return self._columns


def stratum_of(kind: "Kind") -> "Stratum":
    """What the header of a goroutine says of it, and the label that it is grouped by."""
    return state_of(kind), kind.created_by, kind.group
