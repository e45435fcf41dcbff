"""Counts parks in short windows: when a file gets the park probe and for how long, and what becomes of the counts.

Parks have the lowest priority: they get what the levels of probes leave of a target's budget. What a window has cost
must have been left over, for each process of the file, before the next one opens.
"""

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import structlog
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import ParkCount

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.golang.wait_reasons import wait_reason
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.park_estimate import ParkEstimate, Window
from gosonde_agent.overhead.window_budget import Left, Spent, WindowBudget
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.park_window import ParkSample, ParkWindow
from gosonde_agent.sources.protocol import Source

log = structlog.get_logger(__name__)

#: From one window in a file to the next, at least; each time drawn again between these parts of it, so that what a
#: program does periodically does not always fall into a window, or never.
PERIOD_SECONDS = 2.0
SPREAD = (0.75, 1.25)
#: The longest time until it is looked again whether something is left over.
LONGEST_WAIT_SECONDS = 60.0
#: How long a window is: the first one, the longest, and what hits may cost in the others.
FIRST_SECONDS, LONGEST_SECONDS = 0.005, 0.05
COST_SECONDS = 0.01
#: A shorter one, which was ended early, shows nothing.
SHORTEST_NS = 1_000_000
#: The kernel may count the CPU time of a thread that runs so much too late.
CPU_LAG_NS = 10_000_000
#: A program is not taken for one that gets less than this part of a core.
LEAST_ROOM = 0.01


@dataclass(slots=True)
class ParkPlan:
    """Of one file: when its next window is due (CLOCK_MONOTONIC seconds), how long it is to be, who pays."""

    due: float
    seconds: float = FIRST_SECONDS
    spent: dict[Image, Spent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parking:
    """A window of one file: run it in any thread, then hand it back."""

    number: int
    window: ParkWindow
    processes: Mapping[Image, GoProcess]


class ParkSampler:
    """The windows of all files, one at a time, and what they have shown of each process.

    Attributes:
        plans: When a window of each file is due, and what it may cost.
    """

    def __init__(self, source: Source, processes: Processes, governor: Governor, meter: Meter) -> None:
        self._source = source
        self._processes = processes
        self._budget = WindowBudget(governor)
        self._meter = meter
        self.plans: dict[int, ParkPlan] = {}
        self._estimates: dict[Image, ParkEstimate] = {}
        self._charged: dict[Image, float] = {}
        self.losses = {"park_windows_put_off": 0}

    def next(self) -> Parking | None:
        """A window that is due and paid for, if there is one."""
        now = time.monotonic()
        files = self._files()
        self._follow(files, now)
        for number, plan in sorted(self.plans.items(), key=lambda item: item[1].due):
            if plan.due > now:
                return None
            wait = self._unpaid(plan, files[number])
            pids = {image.tgid for image in files[number]}
            if not wait and (window := self._source.park_window(number, plan.seconds, pids)):
                return Parking(number, window, files[number])
            plan.due = now + min(max(wait, PERIOD_SECONDS), LONGEST_WAIT_SECONDS)
        return None

    def due_in(self) -> float:
        """Seconds until a window may be due, or a file may have come or been switched off."""
        now = time.monotonic()
        due_in = min((plan.due - now for plan in self.plans.values()), default=PERIOD_SECONDS)
        return min(max(due_in, 0.0), PERIOD_SECONDS)

    def finish(self, parking: Parking) -> None:
        """Records a window that has run."""
        plan, window = self.plans.get(parking.number), parking.window
        if plan is None:
            return
        plan.due = time.monotonic() + _period()
        if window.failure is not None:
            log.warning("the park probe could not be attached", reason=str(window.failure))
            plan.due += LONGEST_WAIT_SECONDS
        if window.sample is not None:
            for image, process in parking.processes.items():
                with self._processes.alone(image.tgid, "count parks"):
                    self._add(plan, process, image, window.sample)
            plan.seconds = self._length(window.sample, parking.processes)

    def with_parks(self, hits: Mapping[Image, Hits]) -> dict[Image, Hits]:
        """Hits with those of the park probe, which nobody else counts."""
        images = {**hits, **dict.fromkeys(self._charged.keys() - hits.keys(), Hits())}
        return {image: own._replace(parked=round(self._charged.get(image, 0))) for image, own in images.items()}

    def rows(self) -> Iterator[ParkCount]:
        """What is reported for each process."""
        for process in self._processes:
            estimate = self._estimates.get(process.image) if process.image else None
            if estimate is None or process.binary is None:
                continue
            base = estimate.windows, estimate.sampled_ns, estimate.covered_ns
            with self._processes.alone(process.key.pid, "report parks"):
                for code, found in sorted(estimate.estimates().items()):
                    reason = wait_reason(process.binary.version.minor, code)
                    yield ParkCount(process.key, reason, found.counted, found.parks, found.low, found.high, *base)

    def forget(self, image: Image) -> None:
        """Forgets a process that has ended."""
        self._estimates.pop(image, None)
        self._charged.pop(image, None)

    def _files(self) -> dict[int, dict[Image, GoProcess]]:
        """The processes of each file that may have windows; what is switched off is not covered until it is on."""
        files: dict[int, dict[Image, GoProcess]] = {}
        for process in self._processes:
            if process.image is None or process.has_ended or process.binary is None:
                continue
            if process.level is Level.OFF:
                if estimate := self._estimates.get(process.image):
                    estimate.part()
            elif "parked" in process.binary.points:
                files.setdefault(process.image.binary, {})[process.image] = process
        return files

    def _follow(self, files: Mapping[int, Mapping[Image, GoProcess]], now: float) -> None:
        """A plan for each file, and an account for each of its processes."""
        self.plans = {number: plan for number, plan in self.plans.items() if number in files}
        for number, processes in files.items():
            if number not in self.plans:
                self.plans[number] = ParkPlan(now + _period())
            known = self.plans[number].spent
            spent = {image: known.get(image) or self._spent(process, 0.0) for image, process in processes.items()}
            self.plans[number].spent = spent

    def _spent(self, process: GoProcess, debt_ns: float) -> Spent:
        return self._budget.spent(process, self._levels_ns(process), debt_ns)

    def _unpaid(self, plan: ParkPlan, processes: Mapping[Image, GoProcess]) -> float:
        """Seconds until the last window is paid by all; 0 when it is."""
        left = [self._left(plan.spent[image], process) for image, process in processes.items()]
        if any(own.ns < 0 and own.per_second <= 0 for own in left):
            self.losses["park_windows_put_off"] += 1
        return max(own.due_in for own in left)

    def _left(self, spent: Spent, process: GoProcess) -> Left:
        return self._budget.left(process, spent, self._levels_ns(process))

    def _levels_ns(self, process: GoProcess) -> float:
        """What the probes of its level have cost a process, as far as is known."""
        account = self._meter.account(process)
        if account is None:
            return 0.0
        return account.newest.probe_ns - account.newest.hits.parked * self._hit_ns(process)

    def _hit_ns(self, process: GoProcess) -> float:
        return self._meter.price(process.binary, "parked") if process.binary else 0.0

    def _add(self, plan: ParkPlan, process: GoProcess, image: Image, sample: ParkSample) -> None:
        """The target pays for hits that nothing counts, too: while the probe comes and goes."""
        spent = plan.spent.get(image)
        if spent is None or process.has_ended or image.tgid not in sample.cpu_ns:
            return
        counts = sample.parks.get(image, {})
        hits = sum(counts.values()) * sample.open_ns / sample.ns
        self._charged[image] = self._charged.get(image, 0.0) + hits
        plan.spent[image] = now = self._spent(process, hits * self._hit_ns(process))
        if sample.ns < SHORTEST_NS:
            return
        share = (now.cpu_ns - spent.cpu_ns) / max((now.at - spent.at) * 1e9, 1)
        seen = (sample.cpu_ns[image.tgid] - CPU_LAG_NS) / sample.ns
        room_ns = sample.ns * min(max(share, seen, LEAST_ROOM), 1.0)
        window = Window(sample.ended_ns, sample.ns, sample.slack_ns, counts, room_ns, self._hit_ns(process))
        self._estimates.setdefault(image, ParkEstimate()).add(window)

    def _length(self, sample: ParkSample, processes: Mapping[Image, GoProcess]) -> float:
        """How long the next window is to be: what this one cost the process that pays most says."""
        hits = {image: sum(counts.values()) for image, counts in sample.parks.items()}
        shares = (hits.get(image, 0) * self._hit_ns(process) / sample.ns for image, process in processes.items())
        return min(max(COST_SECONDS / max(*shares, 1e-9), FIRST_SECONDS), LONGEST_SECONDS)


def _period() -> float:
    return PERIOD_SECONDS * random.uniform(*SPREAD)  # noqa: S311 - no secret
