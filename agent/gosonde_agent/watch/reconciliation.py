"""Reads the memory of watched processes now and then, for their baselines and to check the events against them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import structlog

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.totals_check import TotalsCheck
from gosonde_agent.host import procfs
from gosonde_agent.model.losses import MEMORY_LOSSES
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.memory.target import KnownBinaries
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.looks import Looks
from gosonde_agent.watch.plans import FIRST_READINGS, Plan, Waiting, needs_memory, suspicion
from gosonde_agent.watch.reading_order import BELOW_FULL_SECONDS, SUSPECTED_PART, Growth, ReadingOrder, periods
from gosonde_agent.watch.visit import LATER_PAUSE_SECONDS, Scan

log = structlog.get_logger(__name__)

#: Visits right after attaching, for the baselines of busy sites, and readings in a later visit.
FIRST_VISITS = 5
LATER_READINGS = 3
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
        self._soonest = 0.0
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
        suspected, wants_counter = bool(chosen.suspicion), self.looks.wants(process)
        return Scan(
            process,
            chosen.image,
            self._source,
            self.binaries,
            wanted,
            process.generation,
            pause,
            first,
            suspected,
            wants_counter,
        )

    def looked(self, totals: Mapping[Image, int]) -> None:
        """Takes how many goroutines processes have: who grows is due sooner."""
        for image, total in totals.items():
            if plan := self.plans.get(image):
                plan.growth.look(total)

    def soonest_in(self) -> float:
        """Seconds until something is due, as far as `next` knew, which has just found nothing."""
        return self._soonest - self._clock()

    def _planned(self, now: float) -> list[Waiting]:
        """All that may be read now. First readings, and those of what is not suspected, rest together after each."""
        self._soonest = float("inf")
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
            self._soonest = min(self._soonest, one.at)
        return waiting

    def _all_waiting(self, now: float) -> Iterator[Waiting]:
        for process in self._processes:
            image = process.image
            if image is None or process.has_ended:
                continue
            plan = self.plans.get(image)
            if plan and plan.due > now and not needs_memory(process) and not process.is_frozen:
                due = plan.due if plan.due >= plan.rested else self._due(image, plan)
                self._soonest = min(self._soonest, due)
                continue  # most processes, most of the time
            with self._processes.alone(image.tgid, "plan a reading"):
                if plan is None:
                    plan = self.plans[image] = Plan(now + (self._pause if process.baseline.known else 0.0))
                if wanted := self._wanted(process, plan):
                    suspected = suspicion(process, plan, wanted)
                    yield Waiting(process, image, plan, wanted, self._due(image, plan), suspected)

    def _wanted(self, process: GoProcess, plan: Plan) -> int:
        """How many readings the next visit makes; 0 for none."""
        if needs_memory(process):
            return 1
        if process.baseline.uncertain and plan.visits < FIRST_VISITS:
            return FIRST_READINGS
        return LATER_READINGS if self.seconds or process.baseline.uncertain else 0

    def hurry(self, process: GoProcess) -> None:
        """Has a process read again, because its level has changed: what the probes have missed now is no loss."""
        process.totals = TotalsCheck(from_start=False)
        if process.image is not None:
            known = self.plans.get(process.image)
            growth = known.growth if known and needs_memory(process) else Growth()
            self.plans[process.image] = Plan(self._clock(), growth=growth)

    def due_in(self) -> float:
        """Seconds until a process is due, as far as is known now."""
        self._planned(self._clock())
        return self.soonest_in()

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
            if needs_memory(scan.process):
                plan.growth.read(scan.readings[-1].live)
            agrees = self._take(scan)
        below = needs_memory(scan.process)
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
        scan.process.figures = scan.process.figures or scan.figures
        scan.process.runtime_figures = scan.runtime_figures
        for pc, start in scan.starts.items():
            scan.process.start_pcs.setdefault(pc, start)
        process = scan.process
        grown = process.take(scan.readings)
        if needs_memory(process):
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
            if not procfs.has_ended(scan.image.tgid, scan.process.key.start_ticks):
                log.info("memory not read", pid=scan.image.tgid, reason=str(scan.error))
        process = scan.process
        if not needs_memory(process) and process.is_frozen and plan.visits >= MAX_FAILED_VISITS:
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
