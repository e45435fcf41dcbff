"""The verdict on a process that was watched: which `go` statements look like leaks, by what, and what is not known."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gosonde_common.values.goroutines import MAIN_GOROUTINE, Location

from gosonde_cli.leak_report import LeakSite
from gosonde_cli.rendering import counted, duration
from gosonde_cli.suspects.growth import MORE, Growth
from gosonde_cli.suspects.reading import Reading

if TYPE_CHECKING:
    from gosonde_agent.trace import Trace
    from gosonde_collector.analysis.dumps import Creation

#: What rises in a younger process may be what it is starting.
YOUNG_NS: Final = 60_000_000_000
#: Where a smaller part of the goroutines that were seen at first is still there, they come and go.
STAY: Final = 0.5
#: Statements that are named of which it is not known whether their goroutines stay.
UNCLEAR: Final = 5


@dataclass(frozen=True, slots=True)
class Suspect:
    """A `go` statement that looks like a leak; docs/json.md describes each key."""

    function: str
    file: str
    line: int
    live: int
    created_per_second: float | None
    exited_per_second: float | None
    cause: str
    remedy: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, those with the most goroutines first, what was looked at for that, and what is not known."""

    suspects: tuple[Suspect, ...]
    looked_at: tuple[str, ...]
    not_known: tuple[str, ...]


class Watching:
    """What a verdict rests on: gathered while a process is watched."""

    def __init__(self) -> None:
        self.growth, self.reading = Growth(), Reading()
        self._elapsed = 0.0

    def step(self, elapsed: float, so_far: "Trace") -> None:
        """Takes the counts of a moment, in seconds since the beginning, and looks at the memory when that is due."""
        self._count(elapsed, so_far)
        if so_far.process is not None and not so_far.has_ended:
            self.reading.look_if_due(so_far.process.key.pid)

    def _count(self, elapsed: float, so_far: "Trace") -> None:
        self._elapsed = elapsed
        live: Counter[Location] = Counter()
        for row in so_far.sites:
            place = Location(row.site.function, row.site.file, row.site.line)
            live[place] += row.baseline + row.created - row.exited
        self.growth.add(elapsed, live)

    def end(self, seen: "Trace") -> None:
        """Looks at the memory once more; Ctrl-C ends that, and leaves what is known."""
        self._count(self._elapsed, seen)
        if seen.process is not None and not seen.has_ended:
            with contextlib.suppress(KeyboardInterrupt):
                self.reading.look_at_end(seen.process.key.pid)

    def verdict(self, sites: Sequence[Mapping[str, Any]], source: str, counted_ns: int) -> Verdict:
        """Judges the process.

        Args:
            sites: As `gosonde trace --json` has them.
            source: Where they come from.
            counted_ns: How long was counted.
        """
        found = self.reading.report
        accused = {Location(one.function, one.file, one.line): one for one in found.sites} if found else {}
        rows = {Location(one["function"], one["file"], one["line"]): one for one in sites}
        places = [place for place in {**rows, **accused} if place != MAIN_GOROUTINE and place.function]
        judged = (self._judged(place, rows.get(place), accused.get(place), counted_ns) for place in places)
        ranked = sorted((one for one in judged if one), key=lambda one: -one.live)
        known = {Location(one.function, one.file, one.line) for one in ranked}
        rising = {place: more for place in places if place not in known and (more := self.growth.rose(place))}
        not_known = (*_unclear(rising), *self._not_known(counted_ns))
        return Verdict(tuple(ranked), tuple(self._looked_at(len(rows), source, counted_ns)), not_known)

    def _judged(
        self, place: Location, row: Mapping[str, Any] | None, accused: LeakSite | None, counted_ns: int
    ) -> Suspect | None:
        creation, kept = self.reading.creations.get(place), self.reading.kept(place)
        more = 0 if _come_and_go(*kept) else self.growth.of(place)
        if not more and not (accused and (accused.proved or accused.probable)):
            return None
        live = row["live"] if row else accused.live if accused else 0
        rates = row["per_second"] if row else None
        evidence = (*_counts(row, more, counted_ns), *_kept(*kept), *_memory(accused), *_waits(creation))
        return Suspect(
            place.function,
            place.file,
            place.line,
            live,
            rates["created"] if rates else None,
            rates["exited"] if rates else None,
            creation.cause if creation else "unknown",
            creation.remedy if creation else "",
            evidence,
        )

    def _looked_at(self, statements: int, source: str, counted_ns: int) -> Iterator[str]:
        yield f"the goroutines of {counted(statements, 'go statement')} for {duration(counted_ns)}, by {source}"
        if self.reading.looks:
            yield f"the stacks of all goroutines, {counted(self.reading.looks, 'time')}"
        if self.reading.report and self.reading.report.scans:
            yield f"who can wake them, by {counted(self.reading.report.scans, 'scan')} of the memory"

    def _not_known(self, counted_ns: int) -> Iterator[str]:
        if 0 < self.reading.age_ns < YOUNG_NS:
            yield f"whether it has all that it needs by now: the process is {duration(self.reading.age_ns)} old"
        slow = f"leaks of fewer than {MORE} goroutines in {duration(counted_ns)} that something alive still holds"
        if not (found := self.reading.report):
            why = self.reading.failed or "the process ended before"
            yield f"whether something can wake those that wait: the memory was not read at the end ({why})"
        elif not found.decided:
            yield f"whether something can wake all that wait: {found.why}"
        yield slow


def _unclear(rising: Mapping[Location, int]) -> Iterator[str]:
    """Who became more, and not in such a way that it looks like a leak."""
    for place, more in sorted(rising.items(), key=lambda item: -item[1])[:UNCLEAR]:
        yield f"whether the goroutines of {place.function} stay, of which there are {more:,} more than at first"
    if len(rising) > UNCLEAR:
        yield f"whether those of {counted(len(rising) - UNCLEAR, 'more statement')} stay"


def _counts(row: Mapping[str, Any] | None, more: int, counted_ns: int) -> Iterator[str]:
    if not row:
        return
    if more:
        yield f"{more:,} more within {duration(counted_ns)}, and at no time fewer again"
    yield f"{counted(row['created'], 'goroutine')} created and {row['exited']:,} exited since counting began"
    if row["baseline"]:
        yield f"{row['baseline']:,} lived before counting began"


def _come_and_go(seen: int, kept: int) -> bool:
    """Whether so many of a statement's goroutines have ended that more of them are more load, and no leak."""
    return seen >= MORE and kept < seen * STAY


def _kept(seen: int, kept: int) -> Iterator[str]:
    if seen:
        yield f"of {seen:,} that memory showed at first, {kept:,} are still there"


def _memory(accused: LeakSite | None) -> Iterator[str]:
    if accused and accused.proved:
        yield f"{accused.proved:,} can never run again: nothing alive leads to what they wait for"
    if accused:
        yield from accused.evidence
        if accused.ages.bars and (oldest := accused.ages.bars[-1].at_least_ns):
            yield f"the oldest are {duration(oldest)} old or older"


def _waits(creation: "Creation | None") -> Iterator[str]:
    """Where most of them wait, and for how long."""
    if creation is None:
        return
    own = [frame for frame in creation.stack if not frame.function.startswith("runtime.")]
    if own and creation.states:
        state, number = next(iter(creation.states.items()))
        at, where = own[0], f"{creation.goroutines_of_stack:,} of {creation.goroutines:,}"
        yield f"{where} are at {at.function} ({at.file}:{at.line}); {number:,} in state {state}"
    if creation.oldest_wait_ns:
        yield f"the oldest has waited for {duration(creation.oldest_wait_ns)}"
