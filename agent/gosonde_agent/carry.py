"""Carries the totals of a process over the times in which its probes did not see everything.

`live = baseline + created - exited` holds for what is told at every moment. While exits are not probed (level
creation), or creations neither (memory, off), each reading of memory says how many goroutines of a site live; by how
much that differs from what is known is what the probes missed. At level creation these are all exits. At the lower
levels a difference is the least that was missed: goroutines that came and went between two readings are known by their
sum over all sites alone, from the runtime's own count of what it created. They are told as a site of their own,
UNATTRIBUTED.

Memory is read while goroutines come and go, so it gives intervals, and the end of an interval that claims less is
taken: nothing is ever counted that did not happen, and a moment of quiet makes every total exact. What is told between
two readings is what the last one said, so created and exited belong to the same moment.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_agent.baseline import NOTHING, Baseline, Count, Interval, Reading
from gosonde_agent.levels import Level

#: The pc of what was created and has exited at no one knows which go statement: no goroutine has it.
UNATTRIBUTED = 0
#: Levels at which creations are not probed.
UNCOUNTED = (Level.MEMORY, Level.OFF)


class Told(NamedTuple):
    """What is told of a site."""

    created: int
    exited: int
    baseline: int

    @property
    def live(self) -> int:
        """How many there are."""
        return self.baseline + self.created - self.exited


@dataclass(slots=True)
class Missed:
    """What the probes missed at a site, at least."""

    created: int = 0
    exited: int = 0


NONE_MISSED = Missed()


@dataclass(slots=True)
class Carry:
    """What the probes of one process missed since counting began.

    Attributes:
        frozen: What is told until the next reading, by link-time pc; None when the counters say it all again.
        births: The runtime's count of created goroutines less the probes' when counting began: from, to.
        creations_missed: There was a time in which creations were not probed, so that sites are lower bounds.
        unattributed: Goroutines that were created and have exited, at unknown sites.
        fresh: Counting begins with the next reading: there was none before.
        incomplete: The probes had counted by then, and what happened between the step and that reading is missed.
        creations_per_second: Between the last two readings, by the runtime's own count; None before there are two.
    """

    births: Interval | None
    frozen: dict[int, Told] | None = None
    creations_missed: bool = False
    unattributed: int = 0
    missed: dict[int, Missed] = field(default_factory=dict)
    fresh: bool = False
    incomplete: bool = False
    creations_per_second: float | None = None
    _gap: bool = False
    _last_created: tuple[int, float] | None = None

    def freeze(self, told: Mapping[int, Told], level: Level) -> None:
        """A step from `level` is about to be made: what is told now holds until memory has been read."""
        if self.frozen is None:
            self.frozen = dict(told)
        self._last_created = self.creations_per_second = None
        if level in UNCOUNTED:
            self._gap = self.creations_missed = True

    def take(self, reading: Reading, level: Level) -> None:
        """Takes in a reading at a level below full."""
        if self.fresh:
            self._begin(reading, lambda pc: reading.interval(pc)[0])
        self._note_rate(reading)
        self._gap = self._gap or level in UNCOUNTED
        for pc in reading.sites() | self.known():
            self._settle(pc, reading.interval(pc))
        self.narrow(reading)
        self._gap = level in UNCOUNTED
        self.creations_missed = self.creations_missed or self._gap
        self.frozen = {pc: self._told(pc, reading.before.get(pc, NOTHING)) for pc in reading.sites() | self.known()}

    def resume(self, readings: Sequence[Reading], baseline: Baseline) -> None:
        """All probes are there again, and `baseline` is what lives beyond what they count: ends the freeze."""
        if self.fresh:
            self._begin(readings[-1], lambda pc: baseline.bounds(pc)[0])
        if self.frozen is not None:
            for pc in {pc for reading in readings for pc in reading.sites()} | self.known():
                self._settle(pc, baseline.bounds(pc))
        for reading in readings:
            self.narrow(reading)
        self._gap = False
        self.frozen = None

    def narrow(self, reading: Reading) -> None:
        """What the runtime created more than the probes and the sites have, it created at unknown sites."""
        if reading.created is None or self.births is None:
            return
        if not (self.creations_missed or self._gap):
            self.births = narrowed(self.births, births_of(reading))
            return
        missed = reading.created - _sum(reading.after) - self.births[1]
        at_sites = sum(site.created for site in self.missed.values())
        self.unattributed = max(self.unattributed, missed - at_sites)

    def known(self) -> set[int]:
        """Every site that was told, or at which something was missed."""
        return {*self.missed, *(self.frozen or {})}

    def after(self, pc: int, counts: Count, baseline: Baseline) -> Told:
        """What is told of a site while all probes are there."""
        missed = self.missed.get(pc, NONE_MISSED)
        shift = missed.exited - missed.created
        return Told(counts[0] + missed.created, counts[1] + missed.exited, max(baseline.of(pc) + shift, 0))

    def _begin(self, reading: Reading, baseline: Callable[[int], int]) -> None:
        self.fresh = False
        self.births = births_of(reading)
        pcs = reading.sites() | self.known()
        self.frozen = {pc: Told(*reading.before.get(pc, NOTHING), max(baseline(pc), 0)) for pc in pcs}

    def _note_rate(self, reading: Reading) -> None:
        if reading.created is None:
            return
        now = time.monotonic()
        if self._last_created is not None:
            created, at = self._last_created
            self.creations_per_second = max(reading.created - created, 0) / max(now - at, 1e-3)
        self._last_created = reading.created, now

    def _told(self, pc: int, counts: Count) -> Told:
        missed = self.missed.get(pc, NONE_MISSED)
        old = (self.frozen or {}).get(pc)
        return Told(counts[0] + missed.created, counts[1] + missed.exited, old.baseline if old else 0)

    def _settle(self, pc: int, live_uncounted: Interval) -> None:
        """Between so many goroutines of a site live beyond what the probes counted: the least that explains it."""
        known = self._told(pc, NOTHING).live
        low, high = live_uncounted
        if high < known:
            self.missed.setdefault(pc, Missed()).exited += known - high
        elif low > known and self._gap:
            self.missed.setdefault(pc, Missed()).created += low - known


def births_of(reading: Reading) -> Interval | None:
    """The runtime's count of created goroutines less the probes', as a reading bounds it."""
    if reading.created is None:
        return None
    return reading.created - _sum(reading.after), reading.created - _sum(reading.before)


def narrowed(known: Interval | None, found: Interval | None) -> Interval | None:
    """What both allow; what was found last when they contradict each other."""
    if known is None or found is None:
        return known or found
    low, high = max(known[0], found[0]), min(known[1], found[1])
    return (low, high) if low <= high else found


def _sum(counts: Mapping[int, Count]) -> int:
    return sum(created for created, _ in counts.values())
