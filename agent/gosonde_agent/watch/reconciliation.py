"""Reads the memory of watched processes now and then, for their baselines and to check the events against them."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
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
from gosonde_agent.sources.memory.target import KnownBinaries, Target, opened
from gosonde_agent.sources.memory.totals import GoroutineTotals
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.reading_order import Peaks, ReadingOrder

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
#: Least time between two readings of a process that is not probed in full: they find what the probes would have.
BELOW_FULL_SECONDS = 2.0
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
        peaks: The most goroutines that its sites had.
    """

    due: float
    visits: int = 0
    failed: bool = False
    rested: float = 0.0
    hits: Hits | None = None
    peaks: Peaks = field(default_factory=Peaks)


@dataclass(slots=True)
class Scan:
    """One visit to a process's memory. `run` may be called from any thread; it raises nothing.

    Attributes:
        wanted: How many readings to make, as far as VISIT_SECONDS allow.
        pause_seconds: Between two of them.
        first: Whether the process waits for its baseline, or for the first figures at its level.
        urgent: Whether the process's report depends on it: it is the first, or the probes do not see everything.
    """

    process: GoProcess
    image: Image
    source: Source
    known: KnownBinaries
    wanted: int
    generation: int
    pause_seconds: float
    first: bool
    urgent: bool
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


def _is_urgent(process: GoProcess, plan: Plan, wanted: int) -> bool:
    return process.level is not Level.FULL or not plan.visits or wanted == FIRST_READINGS


class Reconciler:
    """Plans the readings of `processes`, each at most every `seconds`; 0 stops after the baselines are known.

    Attributes:
        seconds: As given.
        plans: When each image is due.
        binaries: What was found out about files; of use in any thread.
    """

    def __init__(self, source: Source, processes: Processes, meter: Meter, seconds: float) -> None:
        self._source = source
        self._processes = processes
        self._meter = meter
        self.seconds = seconds
        self._pause = seconds or float("inf")
        self.binaries = KnownBinaries()
        self.plans: dict[Image, Plan] = {}
        self._lost: dict[str, int] = {}
        self._rests_until = 0.0
        self._order = ReadingOrder()
        self.losses = dict.fromkeys(MEMORY_LOSSES, 0)

    def next(self) -> Scan | None:
        """What is to be read now, if anything is: whose growth only memory shows, then what is due for longest."""
        self._forget_ended()
        now = time.monotonic()
        growing: list[tuple[float, tuple[GoProcess, Image]]] = []
        others: list[tuple[float, tuple[GoProcess, Image]]] = []
        for due, ready, process, image in self._planned(now):
            if due <= now and ready <= now and not self._source.is_closing(image.binary):
                needs_memory = process.level is not Level.FULL or process.is_frozen
                grows = needs_memory and self.plans[image].peaks.may_grow
                (growing if grows else others).append((due, (process, image)))
        chosen = self._order.first(growing, others)
        if chosen is None:
            return None
        process, image = chosen
        plan = self.plans[image]
        wanted = self._wanted(process, plan)
        plan.due = float("inf")
        finds = wanted == FIRST_READINGS
        pause = 0.0 if finds else LATER_PAUSE_SECONDS
        first = finds or not plan.visits
        urgent = _is_urgent(process, plan, wanted)
        return Scan(process, image, self._source, self.binaries, wanted, process.generation, pause, first, urgent)

    def rest(self, seconds: float) -> None:
        """No reading that is not urgent is due for so long, because one has taken its time."""
        self._rests_until = time.monotonic() + seconds

    def _planned(self, now: float) -> Iterator[tuple[float, float, GoProcess, Image]]:
        """(when it is due, when there is time for it, process, image) of all that need be read."""
        for process in self._processes:
            image = process.image
            if image is None or process.has_ended:
                continue
            with self._processes.alone(image.tgid, "plan a reading"):
                plan = self.plans.get(image)
                if plan is None:
                    plan = self.plans[image] = Plan(now + (self._pause if process.baseline.known else 0.0))
                if wanted := self._wanted(process, plan):
                    ready = now if _is_urgent(process, plan, wanted) else self._rests_until
                    yield self._due(image, plan), ready, process, image

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
            self.plans[process.image] = Plan(time.monotonic(), peaks=known.peaks if known else Peaks())

    def due_in(self) -> float:
        """Seconds until a process is due, as far as is known now."""
        now = time.monotonic()
        return min((max(due, ready) for due, ready, _, _ in self._planned(now)), default=float("inf")) - now

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
        plan = self.plans.get(scan.image)
        if plan is None or self._source.epoch(scan.image.tgid) != scan.image.epoch:
            return
        if scan.generation != scan.process.generation:
            plan.due = time.monotonic()
            return
        plan.visits += 1
        hits_before, plan.hits = plan.hits, self._meter.hits(scan.image)
        if scan.error is not None:
            self._failed(scan, plan)
            agrees = False
        else:
            plan.peaks.take(scan.readings[-1].live)
            agrees = self._take(scan)
        below = scan.process.level is not Level.FULL
        hurries = not below and scan.process.baseline.uncertain and plan.visits < FIRST_VISITS and not scan.error
        waits = below or scan.process.is_frozen
        pause = 0.0 if hurries else BELOW_FULL_SECONDS if waits else self._pause
        cpu_share = FIRST_SHARE if hurries else LARGEST_SHARE
        plan.due = time.monotonic() + max(pause, scan.cpu_seconds / cpu_share, scan.seconds / LARGEST_TIME_SHARE)
        rests = agrees and not below and not hurries and plan.hits == hits_before
        plan.rested = time.monotonic() + REST_SECONDS if rests else 0.0

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
