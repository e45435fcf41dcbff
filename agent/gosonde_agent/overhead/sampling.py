"""Level sampled: when a file gets all its probes for a short while, and what becomes of what they count then.

A window is as long as half a second of the budget pays for, and at least as long as the target runs into breakpoints
before and after it, when nothing is counted. It opens at random moments, so that nothing that a program does
periodically is always in one, or never.
"""

import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import PROBES, Level
from gosonde_common.values.observation import ProcessKey, Site, SiteCount, SiteEstimate

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.golang.refill import BATCH
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.site_estimate import Known, SiteShares
from gosonde_agent.overhead.site_shares import SiteWindow as Window
from gosonde_agent.overhead.window_budget import Spent, WindowBudget
from gosonde_agent.sources.counters import UNATTRIBUTED, Hits, Image
from gosonde_agent.sources.protocol import Source
from gosonde_agent.sources.site_window import SiteSample, SiteWindow

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: From one window in a file to the next, at least, and between which parts of it: drawn again each time.
PERIOD_SECONDS = 0.5
SPREAD = (0.5, 1.5)
#: How long a window is, and how long at most only because the budget would pay for that.
SHORTEST_SECONDS, LONGEST_SECONDS, LONGEST_PAID_SECONDS = 0.005, 0.05, 0.02
#: What of the budget windows may take. The rest is for what they cost more than they are told to.
PART = 0.8
#: What of the budget sampled creations may take, where windows leave it to them.
SAMPLES_PART = 0.75
#: Without a window for so long it is looked whether samples have taken everything.
UNPAID_SECONDS = 2.0
#: The longest time until it is looked again whether the last window is paid, and until one is tried again that failed.
LONGEST_WAIT_SECONDS, FAILED_WAIT_SECONDS = 5.0, 60.0
#: A shorter one, which was ended early, shows nothing.
SHORTEST_NS = 1_000_000


@dataclass(slots=True)
class SitePlan:
    """Of one file.

    Attributes:
        due: When its next window is (CLOCK_MONOTONIC seconds).
        seconds: How long it is to be.
        spent: Who pays.
        samples: Whether one of 16 creations is counted between windows, too.
    """

    due: float
    seconds: float = SHORTEST_SECONDS
    spent: dict[Image, Spent] = field(default_factory=dict)
    samples: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """A window of one file: run it in any thread, then hand it back."""

    number: int
    window: SiteWindow
    processes: Mapping[Image, GoProcess]


class SiteSampler:
    """The windows of all files at level sampled, one at a time, and what they have shown of each process.

    Attributes:
        plans: When a window of each file is due, and what it may cost.
    """

    def __init__(self, source: Source, processes: Processes, governor: Governor, meter: Meter) -> None:
        self._source = source
        self._processes = processes
        self._governor = governor
        self._budget = WindowBudget(governor, PART)
        self._meter = meter
        self.plans: dict[int, SitePlan] = {}
        self._shares: dict[Image, SiteShares] = {}
        self._uncounted: dict[Image, Hits] = {}
        self.losses = {"site_windows_failed": 0}

    def next(self) -> Sampling | None:
        """A window that is due and paid for, if there is one."""
        now = time.monotonic()
        files = self._files()
        self._follow(files, now)
        for number, plan in self.plans.items():
            if not plan.samples and self._affords_samples(plan, files[number]):
                plan.samples = self._sample(number, files[number])
            elif plan.samples and self._is_short_by_samples(plan, files[number]):
                plan.samples = not self._stop_samples(number)
        for number, plan in sorted(self.plans.items(), key=lambda item: item[1].due):
            if plan.due > now:
                return None
            wait = self._unpaid(plan, files[number])
            if not wait and (window := self._source.site_window(number, plan.seconds)):
                return Sampling(number, window, files[number])
            plan.due = now + min(max(wait, PERIOD_SECONDS / 10) * _spread(), LONGEST_WAIT_SECONDS)
        return None

    def due_in(self) -> float:
        """Seconds until a window may be due, or a file may have come to the level."""
        now = time.monotonic()
        due_in = min((plan.due - now for plan in self.plans.values()), default=PERIOD_SECONDS)
        return min(max(due_in, 0.0), PERIOD_SECONDS)

    def finish(self, sampling: Sampling) -> None:
        """Records a window that has run."""
        plan, window = self.plans.get(sampling.number), sampling.window
        if plan is None:
            return
        plan.due = time.monotonic() + PERIOD_SECONDS * _spread()
        if window.failure is not None:
            log.warning("probes could not be attached for a window", reason=str(window.failure))
            self.losses["site_windows_failed"] += 1
            plan.due += FAILED_WAIT_SECONDS
            self._governor.without_windows(sampling.number)
        if window.sample is not None:
            paid = LONGEST_PAID_SECONDS
            for image, process in sampling.processes.items():
                with self._processes.alone(image.tgid, "sample sites"):
                    paid = min(paid, self._add(plan, process, image, window.sample))
            plan.seconds = max(_length(window.sample), paid)

    def with_uncounted(self, hits: Mapping[Image, Hits]) -> dict[Image, Hits]:
        """Hits with those that were not counted while a window opened and closed: the target paid for them, too."""
        images = {**hits, **dict.fromkeys(self._uncounted.keys() - hits.keys(), Hits())}
        nothing = Hits()
        return {image: own.plus(self._uncounted.get(image, nothing)) for image, own in images.items()}

    def rows(self, counts: Iterable[SiteCount]) -> Iterator[SiteEstimate]:
        """What is estimated of each process, at those of its sites that have rows."""
        sites: dict[ProcessKey, dict[int, Site]] = {}
        keys = {process.key for process in self._processes if process.image in self._shares}
        for row in counts if keys else ():
            if row.process in keys:
                sites.setdefault(row.process, {})[row.site.pc] = row.site
        for process in self._processes:
            shares = self._shares.get(process.image) if process.image else None
            if shares is not None and process.key in sites:
                with self._processes.alone(process.key.pid, "report estimates"):
                    self._note(process, shares)
                    yield from _rows(process, shares, sites[process.key])

    def forget(self, image: Image) -> None:
        """Forgets a process that has ended."""
        self._shares.pop(image, None)
        self._uncounted.pop(image, None)

    def _files(self) -> dict[int, dict[Image, GoProcess]]:
        """The processes of each file at level sampled; what is at another level is not covered until it is back."""
        files: dict[int, dict[Image, GoProcess]] = {}
        for process in self._processes:
            if process.image is None or process.has_ended:
                continue
            if process.level is Level.SAMPLED:
                files.setdefault(process.image.binary, {})[process.image] = process
            elif shares := self._shares.get(process.image):
                shares.part()
        return files

    def _follow(self, files: Mapping[int, Mapping[Image, GoProcess]], now: float) -> None:
        """A plan for each file, an account and shares for each of its processes."""
        self.plans = {number: plan for number, plan in self.plans.items() if number in files}
        for number, processes in files.items():
            plan = self.plans.setdefault(number, SitePlan(now + PERIOD_SECONDS * random.random()))  # noqa: S311
            plan.spent = {
                image: plan.spent.get(image) or self._budget.spent(process, self._world_ns(process))
                for image, process in processes.items()
            }
            for image, process in processes.items():
                self._note(process, self._shares.setdefault(image, SiteShares()))

    def _note(self, process: GoProcess, shares: SiteShares) -> None:
        """Records what is known of a process for certain, once its memory was read at all."""
        correction = process.correction
        if process.level is Level.SAMPLED and correction and correction.frozen is not None and not correction.fresh:
            sites = {pc: (found.created, found.exited) for pc, found in correction.frozen.items()}
            if not shares.knows(sites, correction.unattributed):
                shares.follow(Known(sites, correction.unattributed, self._samples(process)), time.monotonic_ns())

    def _samples(self, process: GoProcess) -> dict[int, int]:
        """Sampled creations of a process, by pc as it is linked."""
        if process.image is None or process.bias is None:
            return {}
        return _linked(self._source.samples(process.image), process.bias)

    def _unpaid(self, plan: SitePlan, processes: Mapping[Image, GoProcess]) -> float:
        """Seconds until the last window is paid by all; 0 when it is."""
        return max(
            self._budget.left(process, plan.spent[image], self._world_ns(process)).due_in
            for image, process in processes.items()
        )

    def _is_short_by_samples(self, plan: SitePlan, processes: Mapping[Image, GoProcess]) -> bool:
        """Whether no window could be paid for long, because samples have taken all that windows may of a process."""
        return any(
            plan.spent[image].at < time.monotonic() - UNPAID_SECONDS
            and self._budget.left(process, plan.spent[image], 0.0).per_second < self._samples_ns(process) < math.inf
            for image, process in processes.items()
        )

    def _affords_samples(self, plan: SitePlan, processes: Mapping[Image, GoProcess]) -> bool:
        """Whether sampled creations would leave each process something for windows, as far as is known."""
        return all(
            self._samples_ns(process) <= SAMPLES_PART * self._budget.left(process, plan.spent[image], 0.0).per_second
            for image, process in processes.items()
        )

    def _samples_ns(self, process: GoProcess) -> float:
        """What sampled creations would cost each second; inf while that is not known."""
        account = self._meter.account(process)
        rate = process.correction.creations_per_second if process.correction else None
        if account is not None and rate is None and _were_counted(process):
            rate = account.most_creations_per_second
        return rate / BATCH * account.cost_ns(Hits(sampled=1)) if account is not None and rate else math.inf

    def _sample(self, number: int, processes: Iterable[Image]) -> bool:
        """Has creations sampled from now on, which begins a new period; whether that could be done."""
        try:
            has_samples = self._source.sample_creations(number)
        except GosondeError as error:
            log.warning("creations could not be sampled", reason=str(error))
            return False
        for image in processes if has_samples else ():
            self._shares[image].part()
        return has_samples

    def _stop_samples(self, number: int) -> bool:
        """Takes the probe out again; whether that could be done."""
        try:
            self._source.set_probes(number, PROBES[Level.SAMPLED])
        except GosondeError as error:
            log.warning("creations could not be left unsampled", reason=str(error))
            return False
        return True

    def _world_ns(self, process: GoProcess) -> float:
        """What the probes that are always there have cost a process, as far as is known."""
        account = self._meter.account(process)
        return account.cost_ns(account.newest.hits._replace(created=0, exited=0, parked=0)) if account else 0.0

    def _add(self, plan: SitePlan, process: GoProcess, image: Image, sample: SiteSample) -> float:
        """Records what a window has shown of a process; how many seconds of that PERIOD_SECONDS would have paid for."""
        spent = plan.spent.get(image)
        if spent is None or process.has_ended:
            return LONGEST_PAID_SECONDS
        counts = sample.sites.get(image, {})
        created, exited = (sum(column) for column in zip((0, 0), *counts.values(), strict=True))
        uncounted = _uncounted(sample, image, Hits(created, exited))
        self._uncounted[image] = self._uncounted.get(image, Hits()).plus(uncounted)
        account = self._meter.account(process)
        cost = account.cost_ns(uncounted.plus(Hits(created, exited))) if account else 0.0
        left = self._budget.left(process, spent, self._world_ns(process)).per_second
        plan.spent[image] = self._budget.spent(process, self._world_ns(process), cost)
        if process.bias is None and counts:
            process.find_bias(self._source.origin(image, next(iter(counts))))
        if sample.ns >= SHORTEST_NS and process.bias is not None:
            samples = {pc: counted for pc, (_, counted) in sample.samples.get(image, {}).items() if counted}
            self._note(process, self._shares[image])
            self._shares[image].add(
                Window(sample.ended_ns, sample.ns, _linked(counts, process.bias), _linked(samples, process.bias))
            )
        return left * PERIOD_SECONDS * sample.ns / 1e9 / cost if cost else LONGEST_PAID_SECONDS


def _uncounted(sample: SiteSample, image: Image, counted: Hits) -> Hits:
    """Hits of probes that did not count yet or no longer, as many at creations as were counted there."""
    events = counted.created + counted.exited
    slot = int(sample.slots[image.tgid % len(sample.slots)])
    sampled = sum(every for every, _ in sample.samples.get(image, {}).values())
    others = max(slot - events - sampled, 0) + events * sample.unseen_ns / sample.ns
    part = counted.created / events if events else 0.5
    return Hits(round(others * part), round(others * (1 - part)))


def _length(sample: SiteSample) -> float:
    """How long the next window is to be at least: as long as the target ran into breakpoints beside this one."""
    counted = sum(sum(count) for sites in sample.sites.values() for count in sites.values())
    sampled = sum(every for sites in sample.samples.values() for every, _ in sites.values())
    beside_ns = (int(sample.slots.sum()) - counted - sampled) / max(counted, 1) * sample.ns + sample.unseen_ns
    return min(max(beside_ns / 1e9, SHORTEST_SECONDS), LONGEST_SECONDS)


def _were_counted(process: GoProcess) -> bool:
    """Whether creations were counted before the last step."""
    steps = process.description.steps
    return (steps[-2].level if len(steps) > 1 else Level.FULL) in (Level.FULL, Level.CREATION)


def _linked(counts: Mapping[int, T], bias: int) -> dict[int, T]:
    """By pc as it is linked, what is by pc as a process sees it."""
    return {pc - bias if pc != UNATTRIBUTED else pc: count for pc, count in counts.items()}


def _spread() -> float:
    return random.uniform(*SPREAD)  # noqa: S311 - no secret


def _rows(process: GoProcess, shares: SiteShares, sites: Mapping[int, Site]) -> Iterator[SiteEstimate]:
    base = shares.windows, shares.sampled_ns
    for pc, found in shares.estimates().items():
        if (site := sites.get(pc)) is not None:
            yield SiteEstimate(process.key, site, *found, *found, *base)
