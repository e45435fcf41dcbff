"""Findings of timers that are made and never fire or stop: growth of pending timers by what they will call."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from gosonde_common.values.timers import LASTING_NS

from gosonde_collector.analysis import finding
from gosonde_collector.analysis.alone import Alone
from gosonde_collector.analysis.cause_names import PENDING_TIMERS
from gosonde_collector.analysis.causes import Cause
from gosonde_collector.analysis.finding import OVER, Evidence, Finding, TimersFound
from gosonde_collector.analysis.growth import LOOKBACK_NS, MIN_GROWTH, MIN_GROWTH_AMONG_EXITS, Growth, find_growth
from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.analysis.timer_series import group_in, judged_groups, name_of, series_of
from gosonde_collector.analysis.witnesses import AGREES, DISAGREES, SILENT, Witness
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Running, Series, TimersName, TimersRead

#: What nothing but readings can say.
NO_EVENTS: Final = Witness("events", SILENT, "timers are read and not counted: one that is made starts no goroutine")
#: A number that goes up and down by chance around N strays by about the root of N, two of them from each other by more:
#: that many times is no chance, at whatever of many looks.
CHANCE: Final = 5.0
KIB: Final = 1 << 10


class TimerFindings:
    """To be used by one thread at a time.

    Attributes:
        newest: The newest reading of each process that runs, with the process.
    """

    def __init__(self, store: Store, alone: Alone) -> None:
        self._store = store
        self._alone = alone
        self._floors: dict[int, dict[TimersName, int]] = {}
        self.newest: Mapping[int, tuple[Running, TimersRead]] = {}

    def update(self, known: Collection[Finding]) -> Iterator[Finding]:
        """What becomes of the timers that are read since the last time, and of findings whose process has ended.

        Raises:
            StoreError: The store failed.
        """
        before, running = self.newest, self._store.running()
        found = self._store.newest_timers(LOOKBACK_NS)
        self.newest = {number: (running[number], read) for number, read in found.items() if number in running}
        self._floors = {number: floors for number, floors in self._floors.items() if number in running}
        mine = [one for one in known if one.timers]
        places = {(of.host, of.process.key) for of in running.values()}
        yield from (finding.ended(one) for one in _open(mine) if (one.host, one.process) not in places)
        for number, (of, reading) in self.newest.items():
            if number in before and before[number][1].read_unix_nano == reading.read_unix_nano:
                continue
            with self._alone.step("judge the timers of a process", (of.host, of.process.key)):
                yield from list(self._judged(number, of, reading, mine))

    def series(self, found: Finding) -> Series | None:
        """How many of a finding's timers were pending in the last hour; None where that is not known.

        Raises:
            StoreError: The store failed.
        """
        name = found.timers.name if found.timers else None
        for number, (of, _) in self.newest.items():
            if name and (of.host, of.process.key) == (found.host, found.process):
                return series_of(number, of, name, self._store.timers(found.host, found.process, LOOKBACK_NS))
        return None

    def _judged(self, number: int, of: Running, reading: TimersRead, known: Collection[Finding]) -> Iterator[Finding]:
        here = [one for one in _open(known) if (one.host, one.process) == (of.host, of.process.key)]
        if reading.unread:
            unread = Witness("memory", SILENT, f"they could not be read: {reading.unread}")
            yield from (replace(one, witnesses=(NO_EVENTS, unread)) for one in here)
            return
        names = self._suspects(number, reading) | {one.timers.name for one in here if one.timers}
        if not names:
            return
        readings = self._store.timers(of.host, of.process.key, LOOKBACK_NS)
        for name in names:
            if series := series_of(number, of, name, readings):
                self._floors[number][name] = int(series.live.min())
                if judged := _judge(series, readings, known):
                    yield judged

    def _suspects(self, number: int, reading: TimersRead) -> set[TimersName]:
        """The groups in which MIN_GROWTH more last than the fewest of late; while these are not known, than none."""
        floors = self._floors.setdefault(number, {})
        suspects = set()
        for group in judged_groups(reading):
            name = name_of(group)
            lasting = group.lasting or 0
            floors[name] = min(floors.get(name, 0), lasting)
            if lasting >= floors[name] + MIN_GROWTH:
                suspects.add(name)
        self._floors[number] = {name: floor for name, floor in floors.items() if group_in(reading, name)}
        return suspects


def _open(known: Collection[Finding]) -> list[Finding]:
    return [one for one in known if one.state not in OVER]


def _judge(series: Series, readings: list[TimersRead], known: Collection[Finding]) -> Finding | None:
    growth = growth_of(series)
    previous = _previous(series, known)
    timers = _timers(series, readings)
    evidence = Evidence((NO_EVENTS, _memory(series, growth)), Cause(PENDING_TIMERS, _reason(series, timers)))
    if growth:
        return replace(finding.grown(series, growth, evidence, previous), timers=timers)
    if previous and previous.state not in OVER:
        rested = finding.not_grown(previous, series, evidence)
        return replace(rested, timers=timers, cause_reason=evidence.cause.reason)
    return None


def growth_of(series: Series) -> Growth | None:
    """Growth that is more than chance; of what comes and goes between two readings only the difference shows."""
    growth = find_growth(Steps.of(series))
    if growth is None:
        return None
    before = max(int(series.live[-1]) - growth.grown, 0)
    return growth if growth.grown >= max(MIN_GROWTH_AMONG_EXITS, CHANCE * before**0.5) else None


def _previous(series: Series, known: Collection[Finding]) -> Finding | None:
    """As Analyst has it of a site."""
    place = series.host, series.process.key, series.timers
    here = [one for one in known if one.timers and (one.host, one.process, one.timers.name) == place]
    before = [one for one in known if finding.succeeds(one, series)]
    return max(here or before, key=lambda one: one.grew_unix_nano, default=None)


def _timers(series: Series, readings: list[TimersRead]) -> TimersFound:
    """What the newest reading that has some of them says."""
    name = series.timers or TimersName("", "", repeats=False)
    for reading in reversed(readings):
        if group := group_in(reading, name):
            numbers = group.pending, group.next_in_ns, group.period_ns, group.retained_heap_bytes
            return TimersFound(name, *numbers, reading.found.each_stands_for > 1)
    return TimersFound(name)


def _memory(series: Series, growth: Growth | None) -> Witness:
    """What the readings show."""
    live = int(series.live[-1])
    if growth is None:
        return Witness(
            "memory", DISAGREES, f"{live} were pending when they were read last, and they do not become more"
        )
    rose = f"{growth.created} more and {growth.exited} fewer" if growth.exited else f"{growth.created} more, none fewer"
    return Witness("memory", AGREES, f"in {growth.window_s} s readings showed {rose}: {live} are pending")


def _reason(series: Series, timers: TimersFound) -> str:
    number = f"{'about ' if timers.is_estimated else ''}{int(series.live[-1])}"
    which = "repeat" if timers.name.repeats else f"are due in more than {LASTING_NS // (60 * SECOND)} minutes"
    next_in = f"the first is due in {timers.next_in_ns / SECOND:,.0f} s"
    kept = timers.retained_heap_bytes
    keeps = "what they keep is not known" if kept is None else f"they keep {kept / KIB:,.1f} KiB at least"
    return f"{number} of {timers.pending} pending timers {which}; {next_in}, and {keeps}"
