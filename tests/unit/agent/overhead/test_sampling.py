"""When windows open at level sampled, what they cost, and which rows they lead to."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from gosonde_agent.accounting.correction import Correction, Reported
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.host import procfs
from gosonde_agent.model.budget import Budget
from gosonde_agent.model.errors import ProbeError
from gosonde_agent.overhead.governor import HITS_PART, Governor
from gosonde_agent.overhead.metering import Account, Meter, Sample
from gosonde_agent.overhead.sampling import LONGEST_PAID_SECONDS, SHORTEST_SECONDS, SiteSampler
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.site_window import SiteProbes, Sites, SiteWindow
from gosonde_common.values.levels import PROBES, Level
from gosonde_common.values.observation import Process, ProcessKey, Site, SiteCount

PID, NUMBER = 3, 1
IMAGE = Image(PID, 0, NUMBER)
#: Of each hit, in ns.
PRICES = (1_000.0, 2_000.0, 0.0, 1_000.0, 1_000.0, 1_000.0)
SITES = {pc: Site("build", pc, f"main.f{pc}", "main.go", pc) for pc in (10, 20)}
KEY = ProcessKey("", PID, 0, 1)


@dataclass
class Made:
    """A source whose windows show what they are told to: each adds to all totals, and to hits that nobody counted."""

    adds: dict[int, tuple[int, int]] = field(default_factory=dict)
    uncounted: int = 0
    fails: bool = False
    opened: int = 0
    totals: dict[int, tuple[int, int]] = field(default_factory=dict)
    slots: np.ndarray = field(default_factory=lambda: np.zeros(8, np.uint64))
    counts: list[bool] = field(default_factory=list)
    has_place: bool = False
    asked: int = 0
    stopped: int = 0
    sampled: dict[int, tuple[int, int]] = field(default_factory=dict)
    adds_samples: int = 0

    def site_window(self, number: int, seconds: float) -> SiteWindow | None:
        assert number == NUMBER
        probes = SiteProbes(self._open, self._count, lambda: 0, self._read, self._samples, self.slots.copy)
        return SiteWindow(probes, seconds)

    def _open(self) -> None:
        if self.fails:
            raise ProbeError("no")
        self.opened += 1

    def _count(self, on: bool) -> None:
        self.counts.append(on)
        if on:
            for pc, (created, exited) in self.adds.items():
                before = self.totals.get(pc, (0, 0))
                self.totals[pc] = before[0] + created, before[1] + exited
                self.slots[PID] += np.uint64(created + exited)
            self.slots[PID] += np.uint64(self.uncounted + self.adds_samples)
            every, counted = self.sampled.get(10, (0, 0))
            self.sampled[10] = every + self.adds_samples, counted + self.adds_samples

    def sample_creations(self, number: int) -> bool:
        assert number == NUMBER
        self.asked += 1
        return self.has_place

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        assert (number, probes) == (NUMBER, PROBES[Level.SAMPLED])
        self.stopped += 1

    def samples(self, image: Image) -> Mapping[int, int]:
        assert image == IMAGE
        return {pc: every for pc, (every, _) in self.sampled.items()}

    def _samples(self) -> Sites:
        return {IMAGE: dict(self.sampled)}

    def _read(self) -> Sites:
        return {IMAGE: dict(self.totals)}


class Measured(Meter):
    """A process of which nothing but windows costs anything."""

    def __init__(self) -> None:
        super().__init__(HitCosts(), Processes())
        self._accounts[IMAGE] = Account(0, PRICES, max(PRICES), deque([Sample(0.0, Hits(), 0.0, 0)]))


class Clockwork:
    """One process at level sampled, and the clocks that say what it takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr("time.monotonic_ns", lambda: round(self.now * 1e9))
        monkeypatch.setattr("threading.Event.wait", lambda _, seconds=None: self.go_on(seconds or 0.0))
        monkeypatch.setattr(procfs, "cpu_ns", lambda _: round(self.now * 1e9))
        self.source = Made({10: (30, 30), 20: (10, 10)})
        processes = Processes()
        self.process = GoProcess(IMAGE, None, Process(KEY, "", "", "", 0, 0, counted_from_start=True), bias=0)
        self.at(Level.SAMPLED)
        self.process.correction = Correction((0, 0), frozen={})
        processes.add(PID, 0, self.process)
        meter = Measured()
        self.governor = Governor(Budget(0.03 / HITS_PART), meter)
        self.sampler = SiteSampler(self.source, processes, self.governor, meter)  # type: ignore[arg-type]

    def go_on(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def at(self, level: Level) -> None:
        self.process.description = replace(self.process.description, level=level)

    def run(self, seconds: float) -> list[float]:
        """When windows opened within so many seconds."""
        began, end = [], self.now + seconds
        while self.now < end:
            if sampling := self.sampler.next():
                began.append(self.now)
                sampling.window.run()
                self.sampler.finish(sampling)
            else:
                self.go_on(max(self.sampler.due_in(), 0.01))
        return began

    def rows(self) -> dict[int, tuple[int, ...]]:
        counts = [SiteCount(KEY, site, 0, 0) for site in SITES.values()]
        return {row.site.pc: tuple(row[2:]) for row in self.sampler.rows(counts)}


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    return Clockwork(monkeypatch)


def test_a_cheap_program_has_a_window_every_half_second_at_moments_that_nobody_can_foresee(it: Clockwork) -> None:
    began = it.run(60)
    gaps = np.diff(began)
    assert 80 < len(began) < 160
    assert gaps.min() > 0.24
    assert gaps.std() > 0.05


def test_windows_cost_no_more_than_the_budget_has_left(it: Clockwork) -> None:
    it.source.adds = {10: (20_000, 20_000)}
    began = it.run(60)
    cost = len(began) * 20_000 * (PRICES[0] + PRICES[1])
    assert 0.5 * 0.03 * 60e9 < cost < 0.03 * 60e9
    assert it.source.counts == [True, False] * len(began)


def test_hits_while_a_window_opens_and_closes_are_paid_and_reported_as_hits(it: Clockwork) -> None:
    it.source.uncounted = 80
    it.run(0.6)
    opened = it.source.opened
    assert opened
    assert it.sampler.with_uncounted({})[IMAGE] == Hits(created=40 * opened, exited=40 * opened)
    assert it.sampler.with_uncounted({IMAGE: Hits(created=1, pauses=2)})[IMAGE].created == 40 * opened + 1


def test_a_window_is_as_long_as_half_a_second_of_the_budget_pays_for(it: Clockwork) -> None:
    lengths = []
    for goroutines in (10_000, 2_500, 0):
        it.source.adds = {10: (goroutines, goroutines)}
        it.sampler.plans.clear()
        opened = it.source.opened
        while it.source.opened == opened:
            it.run(0.1)
        lengths.append(it.sampler.plans[NUMBER].seconds)
    # All that 5 ms cost are 30, 7.5 and 0 ms, of 12 ms.
    assert lengths == [SHORTEST_SECONDS, pytest.approx(0.008, rel=0.1), LONGEST_PAID_SECONDS]


def test_a_window_is_at_least_as_long_as_the_time_in_which_hits_are_paid_and_not_counted(it: Clockwork) -> None:
    it.source.adds = {10: (5_000, 5_000)}
    it.run(1)
    assert it.sampler.plans[NUMBER].seconds == SHORTEST_SECONDS
    it.source.uncounted = 20_000
    it.run(2)
    assert it.sampler.plans[NUMBER].seconds > SHORTEST_SECONDS


def test_rows_are_of_what_memory_says_went_on_while_windows_were_opened(it: Clockwork) -> None:
    it.run(10)
    assert it.process.correction is not None
    it.process.correction.frozen = {pc: Reported(*counts, 0) for pc, counts in it.source.totals.items()}
    it.process.correction.unattributed = 1_000_000
    rows = it.rows()
    assert {pc: row[0] for pc, row in rows.items()} == {
        10: pytest.approx(750_000, 0.01),
        20: pytest.approx(250_000, 0.01),
    }
    assert sum(row[0] for row in rows.values()) == 1_000_000
    assert all(row[:3] == row[3:6] and row[1] <= row[0] <= row[2] for row in rows.values())
    assert {row[6] for row in rows.values()} == {it.source.opened}


def test_there_are_no_windows_at_other_levels_and_what_was_estimated_stays(it: Clockwork) -> None:
    it.run(10)
    assert it.process.correction is not None
    it.process.correction.unattributed = 1_000
    rows = it.rows()
    it.at(Level.CREATION)
    assert it.run(10) == []
    it.process.correction.unattributed = 5_000
    assert it.rows() == rows
    it.at(Level.SAMPLED)
    assert it.run(10)
    it.process.correction.unattributed = 6_000
    assert sum(row[0] for row in it.rows().values()) == 2_000


def test_nothing_is_estimated_before_memory_was_read(it: Clockwork) -> None:
    assert it.process.correction is not None
    it.process.correction.fresh = True
    it.run(10)
    it.process.correction.unattributed = 1_000
    assert it.rows() == {}


def test_a_file_in_which_no_window_can_be_opened_is_counted_and_tried_again_much_later(it: Clockwork) -> None:
    it.source.fails = True
    assert len(it.run(30)) == 1
    assert it.sampler.losses == {"site_windows_failed": 1}
    assert it.governor.states[NUMBER].windows_fail


def test_a_process_that_has_ended_is_forgotten(it: Clockwork) -> None:
    it.run(10)
    it.process.description = replace(it.process.description, ended_unix_nano=1)
    assert it.sampler.next() is None
    it.sampler.forget(IMAGE)
    assert it.sampler.with_uncounted({}) == {}
    assert it.rows() == {}


def test_creations_are_sampled_where_the_budget_pays_for_it_and_for_windows(it: Clockwork) -> None:
    assert it.process.correction is not None
    it.source.has_place = True
    it.run(2)
    assert it.source.asked == 0  # nobody knows yet how many there are
    it.process.correction.creations_per_second = 1_000_000.0
    it.run(2)
    assert it.source.asked == 0
    it.process.correction.creations_per_second = 100_000.0
    it.run(2)
    assert (it.source.asked, it.source.stopped) == (1, 0)
    it.process.correction.creations_per_second = 1_000_000.0
    it.source.adds = {10: (2_000_000, 2_000_000)}
    it.run(10)  # nothing is left for a window
    assert (it.source.asked, it.source.stopped) == (1, 1)


def test_where_no_place_is_proved_windows_go_on_alone(it: Clockwork) -> None:
    assert it.process.correction is not None
    it.process.correction.creations_per_second = 100_000.0
    assert it.run(2)
    assert it.source.asked > 1


def test_samples_are_no_hits_of_a_window(it: Clockwork) -> None:
    it.source.sampled = {10: (1_000, 0)}
    it.source.adds_samples = 500
    it.run(0.6)
    assert it.source.opened
    assert it.sampler.with_uncounted({})[IMAGE] == Hits()


def test_what_samples_show_goes_into_the_estimate(it: Clockwork) -> None:
    assert it.process.correction is not None
    it.process.correction.creations_per_second = 100_000.0
    it.source.has_place, it.source.adds_samples = True, 16
    it.run(10)
    it.process.correction.frozen = {pc: Reported(*counts, 0) for pc, counts in it.source.totals.items()}
    it.process.correction.unattributed = 16_000
    without, it.source.sampled[20] = it.rows()[20][0], it.source.sampled[10]
    assert without == pytest.approx(4_000, 0.2)
    it.process.correction.unattributed = 16_001
    assert it.rows()[20][0] == pytest.approx(12_000, 0.2)
