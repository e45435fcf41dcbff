"""From what was seen of a process to the verdict: which `go` statements look like leaks, by what, what is not known."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gosonde_common.values.goroutines import MAIN_GOROUTINE, Location

from gosonde_cli.rendering import counted, duration
from gosonde_cli.suspects.evidence import Unwoken, sentences
from gosonde_cli.suspects.growth import MORE, Growth
from gosonde_cli.suspects.lasting import Rise
from gosonde_cli.suspects.reading import Reading
from gosonde_cli.suspects.verdict import Suspect, Unsettled, Verdict

if TYPE_CHECKING:
    from gosonde_agent.watch.trace.seen import Trace

#: What rises in a younger process may be what it is starting.
YOUNG_SECONDS: Final = 60
SECOND: Final = 1_000_000_000
#: Statements that are named of which it is not known whether their goroutines stay.
UNCLEAR: Final = 5
NOBODY: Final = Unwoken()


class Watching:
    """What a verdict rests on: gathered while a process is watched."""

    def __init__(self) -> None:
        self.growth, self.reading = Growth(), Reading()
        self._elapsed = 0.0
        self._ended_unix_nano = 0

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

    def end(self, seen: "Trace", say: Callable[[str], None]) -> None:
        """Looks at the memory once more; Ctrl-C ends that, and leaves what is known. `say` gets what is done."""
        self._count(self._elapsed, seen)
        self._ended_unix_nano = time.time_ns()
        if seen.process is None or seen.has_ended:
            return
        try:
            self.reading.look_at_end(seen.process.key.pid, say)
        except KeyboardInterrupt:
            self.reading.failed = "that was ended by Ctrl-C"

    def verdict(self, sites: Sequence[Mapping[str, Any]], source: str, counted_ns: int) -> Verdict:
        """Judges the process.

        Args:
            sites: As `gosonde trace --json` has them.
            source: Where they come from.
            counted_ns: How long was counted.
        """
        unwoken = Unwoken.by_statement(self.reading.proof)
        rows = {Location(one["function"], one["file"], one["line"]): one for one in sites}
        places = [place for place in {**rows, **unwoken} if place != MAIN_GOROUTINE and place.function]
        rises = {place: rise for place in places if (rise := self._rise(place, rows.get(place)))}
        leaks = {place for place in places if (place in rises and rises[place].is_leak) or place in unwoken}
        suspects = [self._suspect(place, rows.get(place), rises.get(place), unwoken.get(place)) for place in leaks]
        early = [self._unsettled(place, rise) for place, rise in rises.items() if place not in leaks]
        rose = {place: more for place in places if place not in {*leaks, *rises} and (more := self.growth.rose(place))}
        return Verdict(
            tuple(sorted(suspects, key=lambda one: (-one.live, one.function, one.line))),
            tuple(sorted(early, key=lambda one: (-one.more, one.function, one.line))),
            tuple(self._looked_at(len(rows), source, counted_ns)),
            (*_unclear(rose), *self._not_known(counted_ns)),
        )

    def _rise(self, place: Location, row: Mapping[str, Any] | None) -> Rise | None:
        if row is None or not (more := self.growth.of(place)):
            return None
        began, ended = self.reading.started_unix_nano, self._ended_unix_nano
        age_s = max(ended - began, 0) / SECOND if began else 0.0
        fate = self.reading.fates.get(place)
        return Rise(
            more, self._elapsed, self.growth.is_steady(place), row["live"], age_s, fate, self.reading.fates_seconds
        )

    def _suspect(
        self, place: Location, row: Mapping[str, Any] | None, rise: Rise | None, unwoken: Unwoken | None
    ) -> Suspect:
        creation, rates = self.reading.creations.get(place), row["per_second"] if row else None
        return Suspect(
            place.function,
            place.file,
            place.line,
            row["live"] if row else (unwoken or NOBODY).live,
            rates["created"] if rates else None,
            rates["exited"] if rates else None,
            creation.cause if creation else "unknown",
            creation.remedy if creation else "",
            tuple(sentences(row, rise, unwoken, creation)),
        )

    def _unsettled(self, place: Location, rise: Rise) -> Unsettled:
        creation = self.reading.creations.get(place)
        cause = creation.cause if creation else "unknown"
        return Unsettled(place.function, place.file, place.line, rise.live, rise.more, int(rise.needed_s), cause)

    def _looked_at(self, statements: int, source: str, counted_ns: int) -> Iterator[str]:
        yield f"the goroutines of {counted(statements, 'go statement')} for {duration(counted_ns)}, by {source}"
        if self.reading.looks:
            yield f"which goroutines are there and run, {counted(self.reading.looks, 'time')}"
        if self.reading.stacks:
            yield f"the stacks of all goroutines, {counted(self.reading.stacks, 'time')}"
        if self.reading.proof and self.reading.proof.scans:
            yield f"what can still wake them, by {counted(self.reading.proof.scans, 'scan')} of memory"

    def _not_known(self, counted_ns: int) -> Iterator[str]:
        age_ns = self._ended_unix_nano - self.reading.started_unix_nano
        if self.reading.started_unix_nano and 0 < age_ns < YOUNG_SECONDS * SECOND:
            yield f"whether the process is still starting up: it is {duration(age_ns)} old"
        if not (found := self.reading.proof):
            why = self.reading.failed or "the process ended before"
            yield f"whether waiting goroutines can still be woken: the memory was not searched at the end ({why})"
        elif not found.decided:
            yield f"whether all waiting goroutines can still be woken: {found.why}"
        if number := len(self.reading.children):
            are = "child process does, which was" if number == 1 else "child processes do, which were"
            yield f"what {number:,} {are} not watched"
        yield f"slow leaks: fewer than {MORE} goroutines in {duration(counted_ns)} that something alive still holds"


def _unclear(rose: Mapping[Location, int]) -> Iterator[str]:
    """Who became more, and no more at the end."""
    for place, more in sorted(rose.items(), key=lambda item: -item[1])[:UNCLEAR]:
        yield f"whether the goroutines of {place.function} stay ({more:,} more than at first)"
    if len(rose) > UNCLEAR:
        yield f"whether the goroutines of {counted(len(rose) - UNCLEAR, 'more statement')} stay"
