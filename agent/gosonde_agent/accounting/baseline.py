"""How many goroutines of each site a process had before its probes counted, from its memory and the counters together.

From the moment of attaching, `live = baseline + created - exited` holds at every instant, and baseline is a constant.
A reading of memory takes time, in which goroutines come and go, so it gives an interval:

    live as read - created after + exited before  <=  baseline  <=  live as read - created before + exited after

A site at which nothing happened meanwhile is exact at once. Of a busy one, every further reading gives another
interval, and the baseline lies in all of them. A reading whose interval has nothing in common with the others shows
that events and memory disagree: then something was lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gosonde_agent.sources.counters import UNATTRIBUTED

#: (created, exited) of a site.
Count = tuple[int, int]
NOTHING: Count = (0, 0)
#: (low, high)
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """Live goroutines as memory has them, and the counters from before and after it was read; by link-time pc.

    `before` must be old enough that what it counted had happened when the reading began: the probes sit at the
    beginning of a creation and of an exit.
    """

    before: Mapping[int, Count]
    live: Mapping[int, int]
    after: Mapping[int, Count]
    #: What the runtime says that it ever created, read between `before` and `live`; None where it cannot be read.
    created: int | None = None
    #: The same, read after `live`; None where nobody asked.
    created_after: int | None = None
    #: How many goroutines may ever have lived at once: for so many the runtime has room. None where nobody asked.
    most: int | None = None

    def sites(self) -> set[int]:
        """Every site that it names. What the counters have at no site, memory cannot be held against."""
        return {*self.live, *self.before, *self.after} - {UNATTRIBUTED}

    def interval(self, pc: int) -> Interval:
        """The lowest and the highest baseline of a site that it allows."""
        created_before, exited_before = self.before.get(pc, NOTHING)
        created_after, exited_after = self.after.get(pc, NOTHING)
        live = self.live.get(pc, 0)
        return live - created_after + exited_before, live - created_before + exited_after

    def possible(self, interval: Interval) -> Interval:
        """Of an interval for what lived at one moment, what the runtime ever had room for; its least where nothing."""
        low, high = interval
        return (low, high) if self.most is None else (low, max(min(high, self.most), low))


@dataclass(slots=True)
class SiteBaseline:
    """One site's baseline lies between `low` and `high`; `mismatch` is by how much memory had more than the events.

    `middle_sum` adds up twice the middles of the intervals of `readings` readings.
    """

    low: int = 0
    high: int = 0
    mismatch: int = 0
    middle_sum: int = 0
    readings: int = 0

    @property
    def likeliest(self) -> int:
        """The baseline, or the mean of what the readings say while it is uncertain."""
        if self.low == self.high or not self.readings:
            return self.low
        return min(max(round(self.middle_sum / self.readings / 2), self.low), self.high)

    @classmethod
    def first(cls, intervals: Sequence[Interval], *, signed: bool) -> "SiteBaseline":
        """What the first visit says. Readings that contradict each other leave everything between them possible."""
        lowest, highest = sorted((max(low for low, _ in intervals), min(high for _, high in intervals)))
        return cls(lowest, highest) if signed else cls(max(lowest, 0), max(highest, 0))

    def narrow(self, intervals: Sequence[Interval]) -> int:
        """Records a later visit; returns by how much the disagreement with all of its readings has grown."""
        before = abs(self.mismatch)
        apart = [low - self.high if low > self.high else min(high - self.low, 0) for low, high in intervals]
        self.mismatch = min(apart, key=abs, default=0)
        for (low, high), gap in zip(intervals, apart, strict=True):
            if not gap:
                self.low, self.high = sorted((max(self.low, low), min(self.high, high)))
        return max(abs(self.mismatch) - before, 0)

    def note(self, intervals: Sequence[Interval]) -> None:
        """Takes a visit's intervals into the mean."""
        self.middle_sum += sum(low + high for low, high in intervals)
        self.readings += len(intervals)


@dataclass(slots=True)
class Baseline:
    """The baselines of one process.

    Attributes:
        known: Whether there was a reading, or none is needed because the probes were there first.
        sites: By link-time pc. A site that is not here has a baseline of 0, for no reading showed it before it was
            first counted.
        version: Changes with each visit that is recorded.
        signed: The probes were not always there since the counters began, so what they missed counts against it.
    """

    known: bool
    sites: dict[int, SiteBaseline] = field(default_factory=dict)
    signed: bool = False
    version: int = 0
    _open: tuple[int, bool] | None = None

    def take(self, readings: Sequence[Reading]) -> int:
        """Narrows the baselines by the readings of one visit.

        Returns:
            By how many goroutines memory and events have newly come to disagree, in every one of these readings: a
            single one can catch a goroutine between its probe and its place in memory.
        """
        grown = 0
        self.version += 1
        for pc in {*self.sites, *(pc for reading in readings for pc in reading.sites())}:
            intervals = [self._interval(reading, pc) for reading in readings]
            if self.known:
                grown += self.sites.setdefault(pc, SiteBaseline()).narrow(intervals)
            else:
                self.sites[pc] = SiteBaseline.first(intervals, signed=self.signed)
            self.sites[pc].note(intervals)
        self.known = self.known or bool(readings)
        return grown

    def _interval(self, reading: Reading, pc: int) -> Interval:
        """What a reading says of a site: goroutines that lived at one moment, unless the probes missed some."""
        interval = reading.interval(pc)
        return interval if self.signed else reading.possible(interval)

    @property
    def uncertain(self) -> bool:
        """Whether another reading could narrow it."""
        if self._open is None or self._open[0] != self.version:
            self._open = self.version, any(site.low != site.high for site in self.sites.values())
        return not self.known or self._open[1]

    def agrees(self, reading: Reading) -> bool:
        """Whether a reading contradicts nothing that is known."""
        if not self.known:
            return True
        bounds = ((self.bounds(pc), reading.interval(pc)) for pc in reading.sites() | self.sites.keys())
        return all(low <= most and least <= high for (low, high), (least, most) in bounds)

    def shown(self) -> list[int]:
        """The sites that had goroutines before they were counted, or at which memory and events disagree."""
        return [pc for pc, site in self.sites.items() if site.likeliest or site.mismatch]

    def of(self, pc: int, counts: Count = NOTHING) -> int:
        """The baseline of a site of which so many were counted; its likeliest value while it is uncertain.

        As many as have exited without being created since must have lived before.
        """
        site = self.sites.get(pc)
        likeliest = site.likeliest if site is not None else 0
        is_open = not self.known if site is None else site.low != site.high
        return max(likeliest, counts[1] - counts[0]) if is_open and not self.signed else likeliest

    def bounds(self, pc: int) -> Interval:
        """The least and the most that the baseline of a site can be."""
        site = self.sites.get(pc)
        return (site.low, site.high) if site is not None else (0, 0)

    def mismatch(self, pc: int) -> int:
        """By how many live goroutines memory had more (negative: fewer) than the events at the last reading."""
        site = self.sites.get(pc)
        return site.mismatch if site is not None else 0
