"""What its probes cost each target: hits by what a hit costs here, beside the target's own CPU time."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import mul

from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import ProbeCost

from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import procfs
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.hit_costs import HitCosts

#: Over how long the shares that are reported go.
WINDOW_SECONDS = 5.0
PPM = 1_000_000
#: A share of less CPU time than that says nothing.
LEAST_CPU_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Totals at one moment, CLOCK_MONOTONIC seconds."""

    at: float
    hits: Hits
    probe_ns: float
    cpu_ns: int


@dataclass(slots=True)
class Account:
    """The totals of one process image, and its samples of the last seconds, the oldest first.

    Attributes:
        prices: What one of each of Hits costs the process, ns.
        max_hit_ns: What no hit of a single probe exceeds, ns.
        reported_cpu_ns: Of the process, as of when it last had hits.
    """

    cpu_before_ns: int
    prices: tuple[float, ...]
    max_hit_ns: float
    samples: deque[Sample]
    reported_cpu_ns: int = 0

    def cost_ns(self, hits: Hits) -> float:
        """What so many hits cost the process."""
        return sum(map(mul, hits, self.prices), 0.0)

    @property
    def newest(self) -> Sample:
        """What is known now."""
        return self.samples[-1]

    def since(self, seconds: float) -> Sample:
        """The sample whose age is nearest to so many seconds, of those at least half as old; else the oldest."""
        sample = self.samples[0]
        for candidate in self.samples:
            age = self.newest.at - candidate.at
            if seconds / 2 <= age and abs(age - seconds) <= abs(self.newest.at - sample.at - seconds):
                sample = candidate
        return sample

    @property
    def most_creations_per_second(self) -> float:
        """Between two samples of these, while creations were counted."""
        rates = (
            (now.hits.created - before.hits.created) / max(now.at - before.at, 1e-3)
            for before, now in pairwise(self.samples)
        )
        return max(rates, default=0.0)

    def add(self, sample: Sample) -> None:
        """Records a sample, and forgets those that no window needs any more."""
        self.samples.append(sample)
        while len(self.samples) > 2 and self.samples[1].at <= sample.at - WINDOW_SECONDS:
            self.samples.popleft()


class Meter:
    """The accounts of `processes`."""

    def __init__(self, costs: HitCosts, processes: Processes) -> None:
        self._costs = costs
        self._processes = processes
        self._accounts: dict[Image, Account] = {}

    def measure(self, hits: Mapping[Image, Hits]) -> None:
        """Records the hits of now. While a process has none, the CPU time that is reported for it stays what it was."""
        watched = {process.image: process for process in self._processes if process.image and not process.has_ended}
        before, self._accounts = self._accounts, {}
        for image, process in watched.items():
            with self._processes.alone(image.tgid, "measure"):
                found = hits.get(image, Hits())
                if image in before:
                    self._accounts[image] = before[image]
                account = before.get(image) or self._opened(process, found)
                self._measure(process, account, found)
                self._accounts[image] = account

    def _opened(self, process: GoProcess, hits: Hits) -> Account:
        """An account from the process's start on where it was counted from there; else from now on.

        What was hit before counts in the totals alone.
        """
        prices, max_hit_ns = self._prices(process)
        if process.description.counted_from_start:
            account = Account(0, prices, max_hit_ns, deque())
            account.add(Sample(process.since_ns / 1e9, Hits(), 0.0, 0))
            return account
        account = Account(_cpu_ns(process.key.pid), prices, max_hit_ns, deque())
        account.add(Sample(time.monotonic(), hits, account.cost_ns(hits), 0))
        return account

    def _measure(self, process: GoProcess, account: Account, hits: Hits) -> None:
        newest = account.newest
        added = account.cost_ns(hits.less(newest.hits))
        cpu_ns = max(_cpu_ns(process.key.pid) - account.cpu_before_ns, newest.cpu_ns)
        if process.level is not Level.FULL or hits != account.samples[0].hits:
            account.reported_cpu_ns = cpu_ns
        account.add(Sample(time.monotonic(), hits, newest.probe_ns + added, cpu_ns))

    def _prices(self, process: GoProcess) -> tuple[tuple[float, ...], float]:
        """What one of each of Hits costs a process, and the most expensive single hit."""
        if process.binary is None:
            return (), 0.0
        probes = ("created", "exited", "parked", "stopped", "started", "mark_termination", "ids_taken")
        prices = [self.price(process.binary, probe) for probe in probes]
        created, exited, parked, stopped, started, cycle, sampled = prices
        return (created, exited, parked, stopped + started, cycle, sampled), max(prices)

    def set_costs(self, costs: HitCosts) -> None:
        """What hits cost is known better: from now on they count as that."""
        self._costs = costs
        for process in self._processes:
            if account := self.account(process):
                account.prices, account.max_hit_ns = self._prices(process)

    def price(self, binary: GoBinary, probe: str) -> float:
        """What one hit of a probe costs the processes of a binary, ns."""
        return self._costs.of(binary, probe)

    def account(self, process: GoProcess) -> Account | None:
        """What is known of a process; None before it was measured."""
        return self._accounts.get(process.image) if process.image else None

    def hits(self, image: Image) -> Hits | None:
        """How often the probes of a process have been hit, as far as is known; None before that was measured."""
        account = self._accounts.get(image)
        return account.newest.hits if account else None

    def rows(self) -> Iterator[ProbeCost]:
        """What is reported for each process that runs."""
        for process in self._processes:
            if account := self.account(process):
                with self._processes.alone(process.key.pid, "report costs"):
                    yield _row(process, account)


def _row(process: GoProcess, account: Account) -> ProbeCost:
    newest, before = account.newest, account.since(WINDOW_SECONDS)
    probe_ns = newest.probe_ns - before.probe_ns
    return ProbeCost(
        process.key,
        round(newest.probe_ns),
        account.reported_cpu_ns,
        min(round(PPM * probe_ns / max(newest.cpu_ns - before.cpu_ns, LEAST_CPU_NS)), PPM),
        round(PPM * probe_ns / 1e9 / max(newest.at - before.at, 1e-3)),
    )


def _cpu_ns(pid: int) -> int:
    try:
        return procfs.cpu_ns(pid)
    except GosondeError:
        return 0  # it has just ended: what is known stays
