"""Carries the totals of a process over the times in which its probes did not see everything.

`live = baseline + created - exited` holds for what is reported at every moment. While exits are not probed (level
creation), or creations neither (memory, off), each reading of memory says how many goroutines of a site live; by how
much that differs from what is known is what the probes missed. At level creation these are all exits. At the lower
levels a difference is the least that was missed: goroutines that came and went between two readings are known by their
sum over all sites alone, from the runtime's own count of what it created. They are reported as a site of their own,
UNATTRIBUTED of `counters`.

Memory is read while goroutines come and go, so it gives intervals, and the end of an interval that claims less is
taken: as long as a process runs nothing is counted that did not happen, and a moment of quiet makes every total exact.
What lived before counting began may be known as an interval too. Where it and a reading overlap, nothing needs to have
been missed, and from then on what they have in common is what is known. What is reported between two readings is what
the last one said, so created and exited belong to the same moment.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gosonde_common.values.levels import Level

from gosonde_agent.accounting.baseline import (
    NOTHING,
    Baseline,
    Count,
    Interval,
    Reading,
    SiteBaseline,
)

#: Levels at which creations are not probed.
UNCOUNTED = (Level.SAMPLED, Level.MEMORY, Level.OFF)


class Reported(NamedTuple):
    """What is reported for a site."""

    created: int
    exited: int
    baseline: int

    @property
    def live(self) -> int:
        """How many there are."""
        return self.baseline + self.created - self.exited


class Before(NamedTuple):
    """How many goroutines a site had before counting began: the least, the most, and how many are reported."""

    low: int = 0
    high: int = 0
    reported: int = 0


NOTHING_REPORTED = Reported(0, 0, 0)


@dataclass(slots=True)
class Missed:
    """What the probes missed at a site, at least."""

    created: int = 0
    exited: int = 0


NONE_MISSED = Missed()
NONE_BEFORE = Before()


@dataclass(slots=True)
class Correction:
    """What the probes of one process missed since counting began.

    Attributes:
        before: What lived before counting began, by link-time pc; nothing did at sites that are not here.
        frozen: What is reported until the next reading, by link-time pc; None when the counters say it all again.
        creation_offset: The runtime's count of created goroutines less the probes' when counting began: from, to.
        creations_missed: There was a time in which creations were not probed, so that sites are lower bounds.
        unattributed: Goroutines that were created and have exited, at unknown sites.
        fresh: Counting begins with the next reading: there was none before.
        incomplete: Something was missed for good: what lived before counting began was not known for certain when
            the probes began to miss things, or memory was not read between them.
        is_blind: What is reported went on without memory, and has not been held against it since.
        creations_per_second: Between the last two readings, by the runtime's own count; None before there are two.
    """

    creation_offset: Interval | None
    before: dict[int, Before] = field(default_factory=dict)
    frozen: dict[int, Reported] | None = None
    creations_missed: bool = False
    unattributed: int = 0
    missed: dict[int, Missed] = field(default_factory=dict)
    fresh: bool = False
    incomplete: bool = False
    is_blind: bool = False
    creations_per_second: float | None = None
    _gap: bool = False
    _last_created: tuple[int, float] | None = None
    _counts: dict[int, Count] = field(default_factory=dict)

    def freeze(self, reported: Mapping[int, Reported], counts: Mapping[int, Count], level: Level) -> None:
        """A step from `level` is about to be made: what is reported now holds until memory has been read."""
        if self.frozen is None:
            self.frozen = dict(reported)
        self._counts = dict(counts)
        self._last_created = self.creations_per_second = None
        if level in UNCOUNTED:
            self._gap = self.creations_missed = True

    def take(self, reading: Reading, level: Level) -> None:
        """Records a reading at a level below full."""
        self._gap = self._gap or level in UNCOUNTED
        self._note_rate(reading)
        found = self._settle_by([reading], reading.interval)
        self.creations_missed = self.creations_missed or self._gap
        self._gap = level in UNCOUNTED or (self._gap and any(low != high for low, high in found.values()))
        self.frozen = {pc: self._reported(pc, reading.before.get(pc, NOTHING)) for pc in found}

    def resume(self, readings: Sequence[Reading], baseline: Baseline) -> None:
        """All probes are there again, and `baseline` is what lives beyond what they count: ends the freeze.

        What was missed is known for certain when the baseline is, so each visit that narrows it must be recorded.
        """
        self._settle_by(readings, baseline.bounds)
        self._gap = self._gap and baseline.uncertain
        self.frozen = None

    def go_on(self) -> Baseline:
        """All probes are there again, but memory cannot be read: what was reported goes on with what they count.

        Returns:
            What lives beyond what they count.
        """
        rows = self.frozen or {}
        beyond: dict[int, SiteBaseline] = {}
        for pc in {*rows, *self._counts}:
            reported, (created, exited) = rows.get(pc, NOTHING_REPORTED), self._counts.get(pc, NOTHING)
            self.missed[pc] = Missed(reported.created - created, reported.exited - exited)
            self.before[pc] = Before(reported.baseline, reported.baseline, reported.baseline)
            beyond[pc] = SiteBaseline(reported.live - created + exited, reported.live - created + exited)
        self.fresh, self.incomplete, self.frozen, self.is_blind = False, True, None, True
        return Baseline(known=True, signed=True, sites=beyond)

    def _settle_by(self, readings: Sequence[Reading], live: Callable[[int], Interval]) -> dict[int, Interval]:
        """Finds what was missed; `live` says how many goroutines of a site live beyond what the probes counted.

        Returns:
            That, of each site.
        """
        begins = self.fresh
        if begins:
            self._begin(readings[-1], live)
        else:
            for reading in readings:
                self._bound_creation_offset(reading)
        found = {pc: live(pc) for pc in self.known().union(*(reading.sites() for reading in readings))}
        self._settle(found)
        for reading in () if begins else readings:
            self._narrow(reading, found)
        return found

    def _narrow(self, reading: Reading, found: Mapping[int, Interval]) -> None:
        """What the runtime created more than the probes and the sites have, it created at unknown sites.

        Args:
            found: What lives at each site beyond what the probes counted, as far as is known. More than the least may
                have been created there, and that is at no unknown site.
        """
        if reading.created is None or self.creation_offset is None:
            return
        if not (self.creations_missed or self._gap):
            self.creation_offset = narrowed(self.creation_offset, creation_offset_of(reading))
            return
        missed = reading.created - _sum(reading.after) - self.creation_offset[1]
        at_sites = self._created_at_sites()
        maybe = sum(max(high - self._least_live(pc), 0) for pc, (_, high) in found.items())
        self.unattributed = max(self.unattributed, missed - at_sites - maybe)

    def _bound_creation_offset(self, reading: Reading) -> None:
        """Where creations are missed: what the readings before this one reported had been created when it began."""
        if reading.created is not None and self.creation_offset is not None and (self.creations_missed or self._gap):
            most = reading.created - _sum(reading.before) - self._created_at_sites() - self.unattributed
            low, high = self.creation_offset
            self.creation_offset = low, max(min(high, most), low)

    def _created_at_sites(self) -> int:
        return sum(site.created for site in self.missed.values())

    def known(self) -> set[int]:
        """Every site that was reported, or at which something was missed."""
        return {*self.missed, *self.before, *(self.frozen or {})}

    def after(self, pc: int, counts: Count, baseline: Baseline) -> Reported:
        """What is reported for a site while all probes are there."""
        missed = self.missed.get(pc, NONE_MISSED)
        shift = missed.exited - missed.created
        return Reported(counts[0] + missed.created, counts[1] + missed.exited, max(baseline.of(pc, counts) + shift, 0))

    def at_end(self, pc: int, counts: Count) -> Reported:
        """What is reported for a site of a process that has ended before memory was read again.

        What was created since is counted, and as many exits, so that what lives stays what memory showed last.
        """
        last = (self.frozen or {}).get(pc, NOTHING_REPORTED)
        since = max(counts[0] + self.missed.get(pc, NONE_MISSED).created - last.created, 0)
        return Reported(last.created + since, last.exited + since, last.baseline)

    def _begin(self, reading: Reading, found: Callable[[int], Interval]) -> None:
        self.fresh = False
        self.creation_offset = creation_offset_of(reading)
        if self._gap and self.creation_offset is not None:
            # What was created while memory was read may be among what is taken to have lived before.
            most = reading.created_after
            self.creation_offset = None if most is None else (self.creation_offset[0], most - _sum(reading.before))
        for pc in reading.sites() | self.known():
            low, high = (max(end, 0) for end in _lived_at_once(reading, found(pc)))
            if high:
                self.before[pc] = Before(low, high, low)
            self.incomplete = self.incomplete or low != high

    def _note_rate(self, reading: Reading) -> None:
        if reading.created is None:
            return
        now = time.monotonic()
        if self._last_created is not None:
            created, at = self._last_created
            self.creations_per_second = max(reading.created - created, 0) / max(now - at, 1e-3)
        self._last_created = reading.created, now

    def _reported(self, pc: int, counts: Count) -> Reported:
        missed = self.missed.get(pc, NONE_MISSED)
        baseline = self.before.get(pc, NONE_BEFORE).reported
        return Reported(counts[0] + missed.created, counts[1] + missed.exited, baseline)

    def _least_live(self, pc: int) -> int:
        """How many goroutines of a site live at least beyond what the probes counted."""
        missed = self.missed.get(pc, NONE_MISSED)
        return self.before.get(pc, NONE_BEFORE).low + missed.created - missed.exited

    def _settle(self, found: Mapping[int, Interval]) -> None:
        """So many goroutines of each site live beyond what the probes counted: the least that explains it is missed."""
        for pc, (low, high) in found.items():
            before, least = self.before.get(pc, NONE_BEFORE), self._least_live(pc)
            most = least + before.high - before.low
            if high < least:
                self.missed.setdefault(pc, Missed()).exited += least - high
            elif low > most and self._gap:
                self.missed.setdefault(pc, Missed()).created += low - most
            self._narrow_before(pc, before, low, high)

    def _narrow_before(self, pc: int, before: Before, low: int, high: int) -> None:
        """Of what may have lived before, what agrees with a reading; the reading where nothing explains it.

        More than the least may have been created meanwhile where creations are missed, so the least stays there.
        """
        shift = self._least_live(pc) - before.low
        least = max(before.low, low - shift)
        most = max(min(before.high, high - shift), least)
        reported = min(max(before.reported, least), most)
        known = before.low if least <= before.high and (self._gap or self.creations_missed) else least
        if before != (narrowed := Before(known, most, reported)):
            self.before[pc] = narrowed


def _lived_at_once(reading: Reading, found: Interval) -> Interval:
    """Of what may have lived before counting began, no more than the runtime ever had room for."""
    most = max(found) if reading.most is None else reading.most
    return min(found[0], most), min(found[1], most)


def creation_offset_of(reading: Reading) -> Interval | None:
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
