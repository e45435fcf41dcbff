"""Which level is the highest that a process can afford, whatever makes its probes expensive."""

from collections import deque
from collections.abc import Container

import pytest
from gosonde_agent.accounting.correction import Correction
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.governor import HITS_PART, MOST_UP_SECONDS, UP_SECONDS, Governor
from gosonde_agent.overhead.metering import Account, Meter, Sample
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Process, ProcessKey

SECOND = 1_000_000_000
#: Of each hit, in ns.
PRICES = (1_000.0, 1_000.0, 1_000.0, 1_000.0, 1_000.0)
IMAGE = Image(1, 0, 1)
#: Of which hits may take 3 %.
BUDGET = Budget(0.03 / HITS_PART)


class Charged(Meter):
    """One process that had `hits` in the last second, in which it took so much CPU time."""

    def __init__(self, hits: Hits, cpu_ns: int) -> None:
        super().__init__(HitCosts(), Processes())
        samples = Sample(0.0, Hits(), 0.0, 0), Sample(1.0, hits, 0.0, cpu_ns)
        self._accounts[IMAGE] = Account(0, PRICES, max(PRICES), deque(samples))


class Clock:
    """Stands still until it is asked to go on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def decided(
    level: Level,
    hits: Hits,
    cpu_ns: int = SECOND,
    steady: Container[Image] = (),
    *,
    rate: float = 0.0,
    fails: bool = False,
) -> Level | None:
    """The level that a process steps to when it has so many hits in a second and may pay 3 % for them.

    Args:
        rate: Creations per second, as memory says.
        fails: A window could not be opened.
    """
    key = ProcessKey("", 1, 0, 1)
    process = GoProcess(IMAGE, None, Process(key, "", "", "", 0, 0, counted_from_start=True, level=level))
    process.correction = Correction((0, 0))
    process.correction.creations_per_second = rate
    clock = Clock()
    governor = Governor(BUDGET, Charged(hits, cpu_ns), clock)
    if fails:
        governor.without_windows(1)
    governor.decide(1, level, [process], steady)
    clock.now += UP_SECONDS
    decision = governor.decide(1, level, [process], steady)
    return decision.level if decision else None


@pytest.mark.parametrize(
    ("hits", "level"),
    [
        (Hits(created=10_000, exited=10_000), None),
        (Hits(created=20_000, exited=20_000), Level.CREATION),
        (Hits(created=40_000, exited=40_000), Level.SAMPLED),
        # Not even a window now and then.
        (Hits(created=4_000_000, exited=4_000_000), Level.MEMORY),
        (Hits(created=1_000, exited=1_000, pauses=20_000, cycles=20_000), Level.MEMORY),
        (Hits(created=5_000, exited=5_000, pauses=22_000), Level.CREATION),
        # What windows on parks cost is not paid for by levels.
        (Hits(parked=1_000_000), None),
    ],
)
def test_the_highest_level_that_fits_is_taken(hits: Hits, level: Level | None) -> None:
    assert decided(Level.FULL, hits) is level


def test_a_burst_of_an_idle_program_is_no_reason_to_step() -> None:
    assert decided(Level.FULL, Hits(created=2_000, exited=2_000), cpu_ns=0) is None
    assert decided(Level.FULL, Hits(created=3_000, exited=3_000), cpu_ns=0) is Level.SAMPLED


def test_what_goes_on_is_a_reason_to_step_however_little_it_is() -> None:
    least = Hits(created=550, exited=550)
    assert decided(Level.FULL, least, cpu_ns=0) is None
    assert decided(Level.FULL, least, cpu_ns=0, steady={IMAGE}) is Level.CREATION


def decided_beside(unknown_for: float) -> Level | None:
    """The level that a calm file at level memory steps to when nobody knows what one process of it would pay."""
    processes = []
    for pid in (1, 2):
        since = steady_unix_nano() - round(unknown_for * 1e9)
        key = ProcessKey("", pid, 0, 1)
        description = Process(key, "", "", "", 0, since, counted_from_start=True, level=Level.MEMORY)
        processes.append(GoProcess(Image(pid, 0, 1), None, description))
    processes[0].correction = Correction((0, 0))
    processes[0].correction.creations_per_second = 0.0
    clock = Clock()
    governor = Governor(BUDGET, Charged(Hits(), SECOND), clock)
    governor.decide(1, Level.MEMORY, processes, ())
    clock.now += UP_SECONDS
    decision = governor.decide(1, Level.MEMORY, processes, ())
    return decision.level if decision else None


def test_a_process_that_has_just_come_does_not_hold_up_the_others_of_its_file() -> None:
    assert decided_beside(UP_SECONDS / 2) is Level.FULL


def test_a_process_of_which_nothing_is_known_yet_holds_up_the_others_but_not_for_good() -> None:
    assert decided_beside(2 * UP_SECONDS) is None
    assert decided_beside(MOST_UP_SECONDS) is Level.FULL


def test_where_memory_tells_nothing_a_step_up_is_tried_after_a_long_time() -> None:
    description = Process(ProcessKey("", 1, 0, 1), "", "", "", 0, 0, counted_from_start=True, level=Level.MEMORY)
    process = GoProcess(IMAGE, None, description)
    clock = Clock()
    governor = Governor(BUDGET, Charged(Hits(), SECOND), clock)
    assert governor.decide(1, Level.MEMORY, [process], ()) is None
    clock.now += MOST_UP_SECONDS
    assert governor.decide(1, Level.MEMORY, [process], ()) is None
    clock.now += UP_SECONDS
    decision = governor.decide(1, Level.MEMORY, [process], ())
    assert decision is not None
    assert decision.level is Level.CREATION


def test_what_windows_cost_is_no_reason_to_leave_the_level_that_has_them() -> None:
    assert decided(Level.SAMPLED, Hits(created=100_000, exited=100_000), rate=100_000) is None
    assert decided(Level.SAMPLED, Hits(created=9_000, exited=9_000), rate=4_000_000) is Level.MEMORY


def test_a_file_is_sampled_again_when_windows_would_take_half_of_the_budget() -> None:
    assert decided(Level.MEMORY, Hits(), rate=1_000_000) is Level.SAMPLED
    assert decided(Level.MEMORY, Hits(), rate=2_000_000) is None
    assert decided(Level.SAMPLED, Hits(), rate=10_000) is Level.CREATION


def test_a_file_in_which_no_window_can_be_opened_is_left_to_memory() -> None:
    assert decided(Level.FULL, Hits(created=40_000, exited=40_000), fails=True) is Level.MEMORY
    assert decided(Level.SAMPLED, Hits(), rate=100_000, fails=True) is Level.MEMORY
    assert decided(Level.MEMORY, Hits(), rate=100_000, fails=True) is None
    assert decided(Level.MEMORY, Hits(), rate=10_000, fails=True) is Level.CREATION


@pytest.mark.parametrize("level", [Level.CREATION, Level.SAMPLED, Level.MEMORY])
def test_it_does_not_step_up_while_stops_of_the_world_alone_are_dear(level: Level) -> None:
    assert decided(level, Hits(pauses=16_000)) is None
    assert decided(level, Hits(pauses=1_000)) is Level.FULL


class JustFound(Meter):
    """One process that was found so many seconds ago, and has had `hits` since."""

    def __init__(self, hits: Hits, seconds: float) -> None:
        super().__init__(HitCosts(), Processes())
        samples = Sample(0.0, Hits(), 0.0, 0), Sample(seconds, hits, 0.0, round(seconds * SECOND))
        self._accounts[IMAGE] = Account(0, PRICES, max(PRICES), deque(samples))


@pytest.mark.parametrize(
    ("seconds", "thousands", "level"),
    [
        # A second's budget is 30 ms, and a thousand of lives cost 2: up to 15 ms may be paid at any time.
        (0.05, 7, None),
        (0.05, 8, Level.SAMPLED),
        (0.4, 8, Level.CREATION),
        (0.9, 8, None),
        (0.9, 14, Level.CREATION),
    ],
)
def test_in_its_first_second_a_process_may_pay_half_of_what_a_second_allows_at_any_time(
    seconds: float, thousands: int, level: Level | None
) -> None:
    description = Process(ProcessKey("", 1, 0, 1), "", "", "", 0, 0, counted_from_start=True)
    process = GoProcess(IMAGE, None, description)
    hits = Hits(created=1_000 * thousands, exited=1_000 * thousands)
    decision = Governor(BUDGET, JustFound(hits, seconds)).decide(1, Level.FULL, [process], ())
    assert (decision.level if decision else None) is level
