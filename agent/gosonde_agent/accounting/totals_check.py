"""The third check: what the runtime itself counts of all goroutines, against the event counters.

Since the probes were attached, the runtime's total less the events' total is a constant: what happened before. A
reading of both gives an interval for it, as in `baseline`; a reading whose interval has nothing in common with the
others shows that something was lost, also where creations and exits were lost alike, which no live count shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gosonde_agent.accounting.baseline import (
    Count,
    Interval,
    Reading,
    SiteBaseline,
)
from gosonde_agent.sources.memory.totals import GoroutineTotals

CREATED, EXITED = "created_total_mismatch", "exited_total_mismatch"
#: Goroutines that a P takes from the runtime's lists, returns, or takes ids for, at a time: what a reading of
#: several Ps may miss or count twice while goroutines come and go.
BATCH = 64


@dataclass(frozen=True, slots=True)
class TotalsReading:
    """The runtime's totals without threads that C made, and the event counters of the whole process around them."""

    before: Count
    totals: GoroutineTotals
    after: Count

    @classmethod
    def of(cls, reading: Reading, totals: GoroutineTotals) -> "TotalsReading":
        """From the counters of each site."""
        return cls(_sum(reading.before), totals, _sum(reading.after))

    def intervals(self) -> tuple[Interval, Interval]:
        """What was created, and what exited, before the events were counted: lowest and highest."""
        totals, created, exited = self.totals, self.totals.created, self.totals.exited
        slack = BATCH * totals.processors if self.before != self.after else 0
        return (
            (created - self.after[0] - slack, created - self.before[0] + slack),
            (exited - self.after[1] - slack, exited - self.before[1] + slack),
        )


@dataclass(slots=True)
class TotalsCheck:
    """Of one process.

    Attributes:
        from_start: No event can have been missed: nothing was created before.
        earlier: By the loss counter, what the runtime's total was ahead by before counting began.
    """

    from_start: bool
    earlier: dict[str, SiteBaseline] = field(default_factory=dict)

    def agrees(self, reading: TotalsReading) -> bool:
        """Whether a reading contradicts nothing that is known."""
        if not self.earlier:
            return not self.from_start
        found = zip(self.earlier.values(), reading.intervals(), strict=True)
        return all(low <= earlier.high and earlier.low <= high for earlier, (low, high) in found)

    def take(self, readings: Sequence[TotalsReading]) -> dict[str, int]:
        """Compares the readings of one visit with all before.

        Returns:
            By how many goroutines totals have newly come to disagree, in every one of these readings, by name.
        """
        if not readings:
            return {}
        self._begin(readings)
        return {name: grown for name, grown in self._grown(readings) if grown}

    def _begin(self, readings: Sequence[TotalsReading]) -> None:
        if self.earlier:
            return
        zero_known = self.from_start and not readings[-1].totals.by_ids
        columns = zip(*(reading.intervals() for reading in readings), strict=True)
        self.earlier = {
            name: SiteBaseline() if zero_known else SiteBaseline.first(intervals, signed=True)
            for name, intervals in zip((CREATED, EXITED), columns, strict=True)
        }

    def _grown(self, readings: Sequence[TotalsReading]) -> Iterator[tuple[str, int]]:
        columns = zip(*(reading.intervals() for reading in readings), strict=True)
        for (name, earlier), intervals in zip(self.earlier.items(), columns, strict=True):
            yield name, earlier.narrow(intervals)


def _sum(counts: Mapping[int, Count]) -> Count:
    return sum(created for created, _ in counts.values()), sum(exited for _, exited in counts.values())
