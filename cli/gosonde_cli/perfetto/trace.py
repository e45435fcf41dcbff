"""From a timeline to the file: a track for each goroutine, for GC cycles, for stops of the world, a counter."""

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from gosonde_common import foreign

from gosonde_cli.perfetto.packets import Notes, Packets

if TYPE_CHECKING:
    from gosonde_agent.watch.timeline.values import Line, Timeline, Wake
    from gosonde_agent.watch.trace.seen import Trace
    from gosonde_common.values.observation import GcCycle, Pause

PROCESS, WINDOW, LIVE, GC, STOPS, FIRST_LINE = 1, 2, 3, 4, 5, 16
#: Reasons of stops within a GC cycle.
SWEEP_TERMINATION, MARK_TERMINATION = "GC sweep termination", "GC mark termination"


class _Part(NamedTuple):
    """A slice, or something within one: where it begins and ends in ns since boot, its name, and its flows."""

    begin: int
    end: int
    name: str
    notes: Notes
    ends: tuple[int, ...] = ()


def encoded(seen: "Trace", timeline: "Timeline") -> Iterator[bytes]:
    """The packets of a trace of the process that was seen."""
    yield from _File(seen, timeline).packets()


class _File:
    def __init__(self, seen: "Trace", timeline: "Timeline") -> None:
        self._seen = seen
        self._timeline = timeline
        self._packets = Packets()
        self._to_boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
        self._led_to: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._led_from: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        for flow, wake in enumerate(timeline.wakes, 1):
            if wake.by >= 0:
                self._led_to[wake.woken].append((wake.at_ns, flow))
                self._led_from[wake.by].append((wake.at_ns, flow, self._name_of(wake)))

    def packets(self) -> Iterator[bytes]:
        """All of them."""
        timeline, begin = self._timeline, self._timeline.begin_ns + self._to_boot
        yield self._packets.clocks(begin, timeline.begin_ns + timeline.to_unix_ns)
        yield self._packets.process(PROCESS, timeline.pid, foreign.shown(timeline.exe))
        yield self._packets.track(WINDOW, PROCESS, "gosonde: the window", 0)
        yield self._packets.begin(WINDOW, begin, "recorded by gosonde", summary(timeline))
        yield self._packets.end(WINDOW, timeline.end_ns + self._to_boot)
        yield from self._counter()
        yield from self._stops()
        yield from self._cycles()
        for place, line in enumerate(timeline.lines):
            yield from self._line(place, line)

    def _name_of(self, wake: "Wake") -> str:
        woken = self._timeline.lines[wake.woken]
        if wake.is_birth:
            return f"go {foreign.shown(woken.start_function or '?')}"
        return f"wakes g {woken.goid}"

    def _counter(self) -> Iterator[bytes]:
        live = self._timeline.live
        if live is None:
            return
        yield self._packets.track(LIVE, PROCESS, "goroutines", 1, is_counter=True)
        yield self._packets.count(LIVE, self._timeline.begin_ns + self._to_boot, live)
        born = [(line.born_ns, 1) for line in self._timeline.lines if line.born_ns]
        for at, change in sorted(born + [(line.ended_ns, -1) for line in self._timeline.lines if line.ended_ns]):
            live += change
            yield self._packets.count(LIVE, at + self._to_boot, live)

    def _stops(self) -> Iterator[bytes]:
        yield self._packets.track(STOPS, PROCESS, "stops of the world", 3)
        for pause in self._in_window(self._seen.pauses):
            yield from self._slice(STOPS, _part_of(pause, self._from_unix))

    def _in_window(self, pauses: "list[Pause]") -> "Iterator[Pause]":
        """Those that begin and end in it, one after the other."""
        first, last = (at + self._timeline.to_unix_ns for at in (self._timeline.begin_ns, self._timeline.end_ns))
        for pause in sorted(pauses, key=lambda one: one.start_unix_nano):
            if first <= pause.start_unix_nano and pause.start_unix_nano + pause.duration_ns <= last:
                yield pause

    @property
    def _from_unix(self) -> int:
        return self._to_boot - self._timeline.to_unix_ns

    def _cycles(self) -> Iterator[bytes]:
        yield self._packets.track(GC, PROCESS, "GC", 2)
        pauses = list(self._in_window(self._seen.pauses))
        first, last = (at + self._timeline.to_unix_ns for at in (self._timeline.begin_ns, self._timeline.end_ns))
        for cycle in sorted(self._seen.cycles, key=lambda one: one.ordinal):
            if first <= cycle.start_unix_nano and cycle.end_unix_nano <= last:
                yield from self._cycle(cycle, pauses)

    def _cycle(self, cycle: "GcCycle", pauses: "list[Pause]") -> Iterator[bytes]:
        """A cycle from its first stop on, in it the stops at both ends, and between them marking."""
        ends = [pause for pause in pauses if pause.start_unix_nano <= cycle.end_unix_nano < _end(pause)]
        starts = [pause for pause in pauses if pause.start_unix_nano == cycle.start_unix_nano]
        end = max([cycle.end_unix_nano, *map(_end, ends)]) + self._from_unix
        begin = cycle.start_unix_nano + self._from_unix
        marks = max([begin, *(_end(pause) + self._from_unix for pause in starts)])
        marked = min([end, *(pause.start_unix_nano + self._from_unix for pause in ends)])
        yield self._packets.begin(GC, begin, "GC cycle", {"number": cycle.number} if cycle.number else {})
        for pause in starts:
            yield from self._slice(GC, _part_of(pause, self._from_unix))
        if marked > marks:
            yield from self._slice(GC, _Part(marks, marked, "mark", {}))
        for pause in ends:
            yield from self._slice(GC, _part_of(pause, self._from_unix))
        yield self._packets.end(GC, end)

    def _line(self, place: int, line: "Line") -> Iterator[bytes]:
        track = FIRST_LINE + place
        goid = str(line.goid) if line.goid else f"? ({place})"
        name = f"g {goid} {foreign.shown(line.start_function)}".strip()
        yield self._packets.track(track, PROCESS, name, 16 + (line.goid or (1 << 30) + place) % (1 << 31))
        flows, instants = dict(self._led_to[place]), iter(sorted(self._led_from[place]))
        instant = next(instants, None)
        for number, span in enumerate(line.spans):
            ends = (flows[span.begin_ns],) if span.begin_ns in flows else ()
            notes: dict[str, int | str] = _about(line) if number == 0 else {}
            if span.thread:
                notes["thread"] = span.thread
            begin, end = span.begin_ns + self._to_boot, span.end_ns + self._to_boot
            yield self._packets.begin(track, begin, span.state, notes, ends)
            while instant is not None and instant[0] <= span.end_ns:
                yield self._packets.instant(track, instant[0] + self._to_boot, instant[2], (instant[1],))
                instant = next(instants, None)
            yield self._packets.end(track, end)

    def _slice(self, track: int, part: _Part) -> Iterator[bytes]:
        yield self._packets.begin(track, part.begin, part.name, part.notes, part.ends)
        yield self._packets.end(track, part.end)


def _end(pause: "Pause") -> int:
    return pause.start_unix_nano + pause.duration_ns


def _part_of(pause: "Pause", from_unix: int) -> _Part:
    return _Part(pause.start_unix_nano + from_unix, _end(pause) + from_unix, pause.reason, {})


def _about(line: "Line") -> dict[str, int | str]:
    """Who made a goroutine, and what was not seen of it."""
    notes: dict[str, int | str] = {}
    if line.created_by.function:
        at = line.created_by
        notes["created by"] = foreign.shown(f"{at.function} {at.file}:{at.line}")
    if line.parent:
        notes["parent goroutine"] = line.parent
    if line.unseen:
        notes["changes not seen"] = line.unseen
    return notes


def summary(timeline: "Timeline") -> dict[str, int | str]:
    """What a reader of the file must know of it."""
    return {
        "changes": timeline.changes,
        "changes lost": timeline.lost,
        "changes not seen": timeline.unseen,
        "goroutines that did nothing and are left out": timeline.left_out,
        "hits of the probe": timeline.hits,
        "most hits": timeline.most_hits,
        "ended because": timeline.why_ended,
        "memory not read": timeline.not_read,
        "Go": foreign.shown(timeline.go_version),
    }
