"""Level sampled: when a file gets all its probes for a short while, and what becomes of what they count then.

A window is as long as the target runs into breakpoints before and after it, when nothing is counted. It opens at
random moments, so that nothing that a program does periodically is always in one, or never.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import ProcessKey, Site, SiteCount, SiteEstimate

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.site_estimate import Known, SiteShares
from gosonde_agent.overhead.site_estimate import SiteWindow as Window
from gosonde_agent.overhead.window_budget import Spent, WindowBudget
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.protocol import Source
from gosonde_agent.sources.site_window import SiteSample, SiteWindow

log = structlog.get_logger(__name__)

#: From one window in a file to the next, at least, and between which parts of it: drawn again each time.
PERIOD_SECONDS = 0.5
SPREAD = (0.5, 1.5)
#: How long a window is.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.005, 0.05
#: What of the budget windows may take. The rest is for what they cost more than they are told to.
PART = 0.8
#: The longest time until it is looked again whether the last window is paid, and until one is tried again that failed.
LONGEST_WAIT_SECONDS, FAILED_WAIT_SECONDS = 5.0, 60.0
#: A shorter one, which was ended early, shows nothing.
SHORTEST_NS = 1_000_000


@dataclass(slots=True)
class SitePlan:
    """Of one file: when its next window is due (CLOCK_MONOTONIC seconds), how long it is to be, who pays."""

    due: float
    seconds: float = SHORTEST_SECONDS
    spent: dict[Image, Spent] = field(default_factory=dict)


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
            for image, process in sampling.processes.items():
                with self._processes.alone(image.tgid, "sample sites"):
                    self._add(plan, process, image, window.sample)
            plan.seconds = _length(window.sample)

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
                if image not in self._shares:
                    self._shares[image] = SiteShares()
                    self._note(process, self._shares[image])

    @staticmethod
    def _note(process: GoProcess, shares: SiteShares) -> None:
        """Records what is known of a process for certain, once its memory was read at all."""
        correction = process.correction
        if process.level is Level.SAMPLED and correction and correction.frozen is not None and not correction.fresh:
            sites = {pc: (found.created, found.exited) for pc, found in correction.frozen.items()}
            shares.follow(Known(sites, correction.unattributed), time.monotonic_ns())

    def _unpaid(self, plan: SitePlan, processes: Mapping[Image, GoProcess]) -> float:
        """Seconds until the last window is paid by all; 0 when it is."""
        return max(
            self._budget.left(process, plan.spent[image], self._world_ns(process)).due_in
            for image, process in processes.items()
        )

    def _world_ns(self, process: GoProcess) -> float:
        """What the probes that are always there have cost a process, as far as is known."""
        account = self._meter.account(process)
        return account.cost_ns(account.newest.hits._replace(created=0, exited=0, parked=0)) if account else 0.0

    def _add(self, plan: SitePlan, process: GoProcess, image: Image, sample: SiteSample) -> None:
        spent = plan.spent.get(image)
        if spent is None or process.has_ended:
            return
        counts = sample.sites.get(image, {})
        created, exited = (sum(column) for column in zip((0, 0), *counts.values(), strict=True))
        uncounted = _uncounted(sample, image, Hits(created, exited))
        self._uncounted[image] = self._uncounted.get(image, Hits()).plus(uncounted)
        account = self._meter.account(process)
        cost = account.cost_ns(uncounted.plus(Hits(created, exited))) if account else 0.0
        plan.spent[image] = self._budget.spent(process, self._world_ns(process), cost)
        if process.bias is None and counts:
            process.find_bias(self._source.origin(image, next(iter(counts))))
        if sample.ns >= SHORTEST_NS and process.bias is not None:
            linked = {pc - process.bias if pc else pc: count for pc, count in counts.items()}
            self._note(process, self._shares[image])
            self._shares[image].add(Window(sample.ended_ns, sample.ns, linked))


def _uncounted(sample: SiteSample, image: Image, counted: Hits) -> Hits:
    """Hits of probes that did not count yet or no longer, as many at creations as were counted there."""
    events = counted.created + counted.exited
    slot = int(sample.slots[image.tgid % len(sample.slots)])
    others = max(slot - events, 0) + events * sample.unseen_ns / sample.ns
    part = counted.created / events if events else 0.5
    return Hits(round(others * part), round(others * (1 - part)))


def _length(sample: SiteSample) -> float:
    """How long the next window is to be: as long as the target ran into breakpoints beside this one."""
    counted = sum(sum(count) for sites in sample.sites.values() for count in sites.values())
    beside_ns = (int(sample.slots.sum()) - counted) / max(counted, 1) * sample.ns + sample.unseen_ns
    return min(max(beside_ns / 1e9, SHORTEST_SECONDS), LONGEST_SECONDS)


def _spread() -> float:
    return random.uniform(*SPREAD)  # noqa: S311 - no secret


def _rows(process: GoProcess, shares: SiteShares, sites: Mapping[int, Site]) -> Iterator[SiteEstimate]:
    base = shares.windows, shares.sampled_ns
    for pc, found in shares.estimates().items():
        if (site := sites.get(pc)) is not None:
            yield SiteEstimate(process.key, site, *found, *found, *base)
