"""Reads the memory of watched processes now and then, for their baselines and to check the events against them."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level

from gosonde_agent.accounting.baseline import Count, Reading
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.totals_check import TotalsCheck, TotalsReading
from gosonde_agent.model.losses import MEMORY_LOSSES
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.sources.counters import Hits, Image, by_site
from gosonde_agent.sources.memory.heap import HeapReader
from gosonde_agent.sources.memory.live import LiveCounter
from gosonde_agent.sources.memory.target import KnownBinaries, Target, opened
from gosonde_agent.sources.memory.totals import GoroutineTotals
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.looks import Looks
from gosonde_agent.watch.reading_order import (
    BELOW_FULL_SECONDS,
    LOUDEST,
    SUSPECTED,
    SUSPECTED_PART,
    Growth,
    Order,
    ReadingOrder,
    periods,
)

log = structlog.get_logger(__name__)

#: How long a creation or an exit takes from its probe until memory shows it, unless its thread is interrupted there.
SETTLE_SECONDS = 0.000_2
#: Visits right after attaching, and readings in each, for the baselines of busy sites.
FIRST_VISITS = 5
FIRST_READINGS = 20
#: Readings in a later visit, and the time between two: a disagreement counts when all of them show it, and a thread
#: that is interrupted between a probe and its goroutine's place in memory goes on meanwhile.
LATER_READINGS = 3
LATER_PAUSE_SECONDS = 0.05
#: A visit makes no further reading after that long.
VISIT_SECONDS = 0.2
#: What part of one CPU reading a process takes at most: right after attaching, and later.
FIRST_SHARE = 0.2
LARGEST_SHARE = 0.01
#: What part of the time: some processes hold up whoever reads them.
LARGEST_TIME_SHARE = 0.1
#: How long it is not read when no probe was hit between two readings that agree with the counters; a hit ends that.
REST_SECONDS = 600.0
#: After so many visits that failed, a process that was not always probed is reported without its memory.
MAX_FAILED_VISITS = 3
#: What a loss counter goes up to: a process can make up disagreements without end.
LARGEST_LOSS = 1 << 62
#: Kernel losses that make the events say too little.
CAUSES = ("sites_full", "shares_full", "gopc_unreadable")


@dataclass(slots=True)
class Plan:
    """When a process is read next, CLOCK_MONOTONIC seconds.

    Attributes:
        rested: When it is read though no probe was hit since the last visit.
        hits: Of its probes, as far as was known then.
        growth: Whether it seems to grow.
        read_at: When it was last read.
        cpu_seconds: What that took.
    """

    due: float
    visits: int = 0
    failed: bool = False
    rested: float = 0.0
    hits: Hits | None = None
    growth: Growth = field(default_factory=Growth)
    read_at: float = float("-inf")
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class _Waiting:
    """A process that is to be read.

    Attributes:
        due: Since when it should be.
        suspicion: How much it is suspected of growth that only memory shows.
        ready: When there is time for it.
    """

    process: GoProcess
    image: Image
    plan: Plan
    wanted: int
    due: float
    suspicion: int
    ready: float = 0.0

    @property
    def first(self) -> bool:
        """Whether its report waits for this reading."""
        return not self.plan.visits or self.wanted == FIRST_READINGS

    @property
    def at(self) -> float:
        """When it is read at the earliest."""
        return max(self.due, self.ready)

    @property
    def order(self) -> Order:
        """Where it stands among those that are due."""
        return not self.first, self.due


@dataclass(slots=True)
class Scan:
    """One visit to a process's memory. `run` may be called from any thread; it raises nothing.

    Attributes:
        wanted: How many readings to make, as far as VISIT_SECONDS allow.
        pause_seconds: Between two of them.
        first: Whether the process waits for its baseline, or for the first figures at its level.
        suspected: Whether it is read because it may grow; then it has a part of its own of what readings may take.
        wants_counter: Whether `counter` is to be made.
        counter: What counts its goroutines from now on; whoever takes the visit closes it.
    """

    process: GoProcess
    image: Image
    source: Source
    known: KnownBinaries
    wanted: int
    generation: int
    pause_seconds: float
    first: bool
    suspected: bool
    wants_counter: bool
    counter: LiveCounter | None = None
    bias: int = 0
    heaps: HeapReader | None = None
    readings: list[Reading] = field(default_factory=list)
    totals: list[TotalsReading] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    has_ended: bool = False
    error: GosondeError | None = None
    _paused: float = 0.0

    def run(self) -> None:
        """Counts the live goroutines of each site, as often as planned."""
        began, cpu_began = time.monotonic(), time.thread_time()
        try:
            with opened(self.image.tgid, self.known) as target:
                self.bias = target.runtime.bias
                self.heaps = target.heap_reader()
                self._read(target)
                self._make_counter(target)
                while self._wants_more() and time.monotonic() - began < VISIT_SECONDS:
                    self._pause()
                    self._read(target)
        except GosondeError as error:
            self.error = error
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("memory could not be read", pid=self.image.tgid)
            self.error = GosondeError(f"reading memory failed: {type(error).__name__}: {error}")
        self.seconds = time.monotonic() - began - self._paused
        self.cpu_seconds = time.thread_time() - cpu_began
        self.has_ended = True

    def _make_counter(self, target: Target) -> None:
        if self.wants_counter:
            with contextlib.suppress(GosondeError):  # then it is read as a whole, and no more often
                self.counter = target.live_counter()

    def _wants_more(self) -> bool:
        """A reading in which nothing happened, and which contradicts nothing, says it all."""
        newest = self.readings[-1]
        quiet = newest.before == newest.after and self.process.baseline.agrees(newest)
        agrees = all(self.process.totals.agrees(reading) for reading in self.totals[-1:])
        return len(self.readings) < self.wanted and not (quiet and agrees and not self._stands_alone())

    def _stands_alone(self) -> bool:
        """Whether only the newest reading says what it says of a process of which nothing else is known.

        A thread may have been interrupted between a probe and its goroutine's place in memory, where a probe was hit.
        """
        *earlier, newest = self.readings
        repeats = any(one.live == newest.live and one.after == newest.before for one in earlier)
        return not self.process.baseline.known and bool(newest.before) and not repeats

    def _pause(self) -> None:
        """Between two readings: those of a busy process follow each other, unless one is to check the other."""
        newest = self.readings[-1]
        checks = newest.before == newest.after and self._stands_alone()
        pause = max(self.pause_seconds, LATER_PAUSE_SECONDS if checks else 0.0)
        time.sleep(pause)
        self._paused += pause

    def _read(self, target: Target) -> None:
        before = self._counts()
        time.sleep(SETTLE_SECONDS)
        totals = _totals(target)
        live: Counter[int] = Counter()
        foreign: list[npt.NDArray[np.uint64]] = []
        for block in target.blocks(stacks=False):
            pcs, first, counts = np.unique(block.gopc, return_index=True, return_counts=True)
            starts = block.start_pc[first].tolist()
            for pc, start, count in zip(pcs.tolist(), starts, counts.tolist(), strict=True):
                live[pc] += count
                self.starts.setdefault(pc, start)
            foreign.append(block.foreign)
        after = self._counts()
        live.pop(0, None)  # threads that C made have no go statement
        every = np.concatenate(foreign)
        totals = totals.without(every) if totals else None
        self.losses = self.source.losses()
        later = _totals(target) if self.process.correction is not None and self.process.correction.fresh else None
        later = later.without(every) if later else None
        created = totals.created if totals else None
        reading = Reading(before, live, after, created, later.created if later else None, target.most_at_once())
        self.readings.append(reading)
        if totals:
            self.totals.append(TotalsReading.of(reading, totals))

    def _counts(self) -> Mapping[int, Count]:
        return by_site(self.source.site_totals(self.image), self.bias)


def _totals(target: Target) -> GoroutineTotals | None:
    try:
        return target.totals()
    except GosondeError:
        return None


def _suspicion(process: GoProcess, plan: Plan, wanted: int) -> int:
    """How much a process is suspected of growth that only memory shows; what its report waits for goes first."""
    if not plan.visits or wanted == FIRST_READINGS:
        return LOUDEST
    if _needs_memory(process):
        return plan.growth.suspicion
    return SUSPECTED if process.is_frozen else 0


def _needs_memory(process: GoProcess) -> bool:
    """Whether only readings of its memory show what happens."""
    return process.level is not Level.FULL


class Reconciler:
    """Plans the readings of `processes`, each at most every `seconds`; 0 stops after the baselines are known.

    Attributes:
        seconds: As given.
        plans: When each image is due.
        binaries: What was found out about files; of use in any thread.
        looks: At how many goroutines they have, between two readings.
    """

    def __init__(
        self,
        source: Source,
        processes: Processes,
        meter: Meter,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._clock = clock
        self._processes = processes
        self._meter = meter
        self.seconds = seconds
        self._pause = seconds or float("inf")
        self.binaries = KnownBinaries()
        self.plans: dict[Image, Plan] = {}
        self._lost: dict[str, int] = {}
        self.looks = Looks(processes)
        self._rests_until = self._first_rests_until = 0.0
        self._share = self._first_share = self._share_of_others = float("inf")
        self._order = ReadingOrder()
        self.losses = dict.fromkeys(MEMORY_LOSSES, 0)

    def next(self, share: float = float("inf"), first_share: float = float("inf")) -> Scan | None:
        """What is to be read now, if anything is: whose growth only memory shows, then what is due for longest.

        Args:
            share: What part of one CPU is for readings in the long run, but for first ones.
            first_share: What part is for first readings of a process, while there are any.
        """
        self._forget_ended()
        self._share, self._first_share = share, first_share
        now = self._clock()
        due = [one for one in self._planned(now) if one.at <= now and not self._source.is_closing(one.image.binary)]
        chosen = self._order.first(
            [(one.order, one) for one in due if one.suspicion], [(one.order, one) for one in due if not one.suspicion]
        )
        if chosen is None:
            return None
        process, wanted, first = chosen.process, chosen.wanted, chosen.first
        chosen.plan.due = float("inf")
        pause = 0.0 if wanted == FIRST_READINGS else LATER_PAUSE_SECONDS
        counts, suspected, wants = process.generation, bool(chosen.suspicion), self.looks.wants(process)
        return Scan(process, chosen.image, self._source, self.binaries, wanted, counts, pause, first, suspected, wants)

    def looked(self, totals: Mapping[Image, int]) -> None:
        """Takes how many goroutines processes have: who grows is due sooner."""
        for image, total in totals.items():
            if plan := self.plans.get(image):
                plan.growth.look(total)

    def _planned(self, now: float) -> list[_Waiting]:
        """All that need be read. First readings, and those of what is not suspected, rest together after each."""
        waiting = list(self._all_waiting(now))
        suspected = [one for one in waiting if one.suspicion and not one.first]
        costs = [(one.plan.cpu_seconds, one.suspicion) for one in suspected]
        self._share_of_others = self._share
        for one, period in zip(suspected, periods(costs, SUSPECTED_PART * self._share), strict=True):
            one.due = max(one.due, one.plan.read_at + period)
            self._share_of_others -= one.plan.cpu_seconds / period
        for one in waiting:
            if one.first or not one.suspicion:
                one.ready = self._first_rests_until if one.first else self._rests_until
        return waiting

    def _all_waiting(self, now: float) -> Iterator[_Waiting]:
        for process in self._processes:
            image = process.image
            if image is None or process.has_ended:
                continue
            with self._processes.alone(image.tgid, "plan a reading"):
                plan = self.plans.get(image)
                if plan is None:
                    plan = self.plans[image] = Plan(now + (self._pause if process.baseline.known else 0.0))
                if wanted := self._wanted(process, plan):
                    suspicion = _suspicion(process, plan, wanted)
                    yield _Waiting(process, image, plan, wanted, self._due(image, plan), suspicion)

    def _wanted(self, process: GoProcess, plan: Plan) -> int:
        """How many readings the next visit makes; 0 for none."""
        if process.level is not Level.FULL:
            return 1
        if process.baseline.uncertain and plan.visits < FIRST_VISITS:
            return FIRST_READINGS
        return LATER_READINGS if self.seconds or process.baseline.uncertain else 0

    def hurry(self, process: GoProcess) -> None:
        """Has a process read again, because its level has changed: what the probes have missed now is no loss."""
        process.totals = TotalsCheck(from_start=False)
        if process.image is not None:
            known = self.plans.get(process.image)
            growth = known.growth if known and _needs_memory(process) else Growth()
            self.plans[process.image] = Plan(self._clock(), growth=growth)

    def due_in(self) -> float:
        """Seconds until a process is due, as far as is known now."""
        now = self._clock()
        return min((one.at for one in self._planned(now)), default=float("inf")) - now

    def _due(self, image: Image, plan: Plan) -> float:
        return plan.due if self._meter.hits(image) != plan.hits else max(plan.due, plan.rested)

    def forget_binaries(self) -> None:
        """Gives up what was found out about binaries; it is found out again when it is needed."""
        self.binaries = KnownBinaries()

    def _forget_ended(self) -> None:
        images = {process.image for process in self._processes}
        self.plans = {image: plan for image, plan in self.plans.items() if image in images}

    def finish(self, scan: Scan) -> None:
        """Records a visit that has run."""
        if scan.counter:
            self.looks.keep(scan.image, scan.counter)
        if scan.first:
            self._first_rests_until = self._clock() + scan.cpu_seconds / self._first_share
        elif not scan.suspected:
            self._rests_until = self._clock() + scan.cpu_seconds / self._share_of_others
        plan = self.plans.get(scan.image)
        if plan is None or self._source.epoch(scan.image.tgid) != scan.image.epoch:
            return
        if scan.generation != scan.process.generation:
            plan.due = self._clock()
            return
        plan.visits += 1
        hits_before, plan.hits = plan.hits, self._meter.hits(scan.image)
        if scan.error is not None:
            self._failed(scan, plan)
            agrees = False
        else:
            if _needs_memory(scan.process):
                plan.growth.read(scan.readings[-1].live)
            agrees = self._take(scan)
        below = _needs_memory(scan.process)
        hurries = not below and scan.process.baseline.uncertain and plan.visits < FIRST_VISITS and not scan.error
        waits = below or scan.process.is_frozen
        pause = 0.0 if hurries else BELOW_FULL_SECONDS if waits else self._pause
        cpu_share = FIRST_SHARE if hurries else LARGEST_SHARE
        plan.read_at, plan.cpu_seconds = self._clock(), scan.cpu_seconds
        plan.due = plan.read_at + max(pause, scan.cpu_seconds / cpu_share, scan.seconds / LARGEST_TIME_SHARE)
        rests = agrees and not below and not hurries and plan.hits == hits_before
        plan.rested = self._clock() + REST_SECONDS if rests else 0.0

    def _take(self, scan: Scan) -> bool:
        """Records what was read; whether it agrees with the counters."""
        scan.process.bias = scan.bias
        scan.process.heaps = scan.process.heaps or scan.heaps
        for pc, start in scan.starts.items():
            scan.process.start_pcs.setdefault(pc, start)
        process = scan.process
        grown = process.take(scan.readings)
        if process.level is not Level.FULL:
            return True
        totals = process.totals.take(scan.totals)
        if grown or totals:
            process.has_lost = True
            self._disagree(scan, grown, totals)
        return not (grown or totals)

    def _failed(self, scan: Scan, plan: Plan) -> None:
        if not plan.failed:
            plan.failed = True
            self.losses["baselines_unread"] += 1
            log.info("memory not read", pid=scan.image.tgid, reason=str(scan.error))
        process = scan.process
        if process.level is Level.FULL and process.is_frozen and plan.visits >= MAX_FAILED_VISITS:
            process.go_on()

    def _disagree(self, scan: Scan, grown: int, totals: Mapping[str, int]) -> None:
        lost = [name for name in CAUSES if scan.losses.get(name, 0) > self._lost.get(name, 0)]
        self._lost = {name: scan.losses.get(name, 0) for name in CAUSES}
        cause_name = "live_mismatch_events_lost" if lost else "live_mismatch_unexplained"
        for name, goroutines in (Counter(totals) + Counter({cause_name: grown})).items():
            self.losses[name] = min(self.losses[name] + goroutines, LARGEST_LOSS)
        log.warning(
            "events and memory disagree", pid=scan.image.tgid, goroutines=grown, cause=lost or "unknown", **totals
        )
