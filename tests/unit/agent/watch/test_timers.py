"""Timers are read seldom, in equal parts of the budget, and heaps that take long are searched more seldom still."""

from gosonde_agent.host.own_budget import OwnBudget
from gosonde_agent.sources.memory.target import KnownBinaries
from gosonde_agent.watch.timer_visit import TimerVisit, reported
from gosonde_agent.watch.timers import PERIOD, QUIET_PERIOD, TIMERS_UNREAD, Timers
from gosonde_common.values.observation import Observation, Process, TimerReading
from gosonde_common.values.timers import MAX_TIMER_GROUPS, PendingTimers, TimerGroup, TimerKind

from tests.unit.agent.observations import observed, process

BUDGET = OwnBudget(0.02, 4 << 30)


class Planner:
    """Readings under a clock that stands still until it is moved."""

    def __init__(self, *processes: Process) -> None:
        self.now, self.is_quiet = 1_000.0, False
        self.processes = processes or (process(1),)
        self.timers = Timers(lambda: BUDGET, KnownBinaries, lambda: self.is_quiet, lambda: self.now)
        self.observe()

    def observe(self) -> Observation:
        return self.timers.note(observed(*self.processes))

    def begun(self) -> TimerVisit:
        visit, _ = self.timers.next_or_due()
        assert visit is not None
        return visit

    def due_in(self) -> float:
        visit, seconds = self.timers.next_or_due()
        assert visit is None
        return seconds

    def ran(self, visit: TimerVisit, cpu_seconds: float = 0.001, unread: str = "") -> None:
        visit.reading, visit.cpu_seconds = TimerReading(visit.key, 5, unread=unread), cpu_seconds
        self.timers.take(visit)


def group(pending: int, callback: str = "main.f") -> TimerGroup:
    return TimerGroup(callback, "", TimerKind.FUNC, pending, 5, None, 100, 0)


def test_every_process_is_read_once_and_then_again_after_the_period() -> None:
    planner = Planner(process(1), process(2))
    read = {planner.begun().key.pid, planner.begun().key.pid}
    assert read == {1, 2}
    planner = Planner()
    planner.ran(planner.begun())
    assert planner.due_in() == PERIOD
    planner.now += PERIOD
    assert planner.begun().no_search_because == ""


def test_on_a_host_on_which_nothing_happens_timers_are_read_more_seldom() -> None:
    planner = Planner()
    planner.is_quiet = True
    planner.ran(planner.begun())
    assert planner.due_in() == QUIET_PERIOD


def test_timers_that_become_more_or_fewer_are_read_as_often_on_a_quiet_host_too() -> None:
    planner = Planner()
    planner.is_quiet = True
    for pending, period in ((5, QUIET_PERIOD), (6, PERIOD), (6, QUIET_PERIOD), (4, PERIOD)):
        visit = planner.begun()
        visit.reading = TimerReading(visit.key, 5, PendingTimers([group(pending)]))
        planner.timers.take(visit)
        assert planner.due_in() == period
        planner.now += period


def test_where_a_search_takes_too_much_the_timers_in_heaps_are_read_without_one() -> None:
    planner = Planner()
    planner.ran(planner.begun(), cpu_seconds=1.0)
    planner.now += PERIOD
    visit = planner.begun()
    assert "the next is in 985 s" in visit.no_search_because
    planner.ran(visit)
    planner.now += 1_000
    assert planner.begun().no_search_because == ""


def test_a_process_that_takes_much_puts_off_itself_alone() -> None:
    planner = Planner(process(1), process(2))
    first, second = planner.begun(), planner.begun()
    planner.ran(first, cpu_seconds=1.0)
    planner.ran(second)
    planner.now += PERIOD
    searches = {visit.key.pid: visit.no_search_because == "" for visit in (planner.begun(), planner.begun())}
    assert searches == {first.key.pid: False, second.key.pid: True}


def test_a_process_that_has_ended_is_neither_read_nor_reported() -> None:
    planner = Planner()
    planner.ran(planner.begun())
    assert len(planner.observe().timers) == 1
    planner.processes = (process(1, ended_unix_nano=9),)
    assert planner.observe().timers == ()
    assert planner.due_in() == float("inf")


def test_a_process_that_ends_while_it_is_read_is_no_loss() -> None:
    planner = Planner()
    planner.ran(planner.begun(), unread="it is gone")
    seen = planner.observe()
    assert (seen.losses[TIMERS_UNREAD], seen.timers) == (0, ())


def test_the_largest_groups_are_reported_and_the_sum_of_all_others() -> None:
    groups = [group(1_000 - number, f"main.f{number}") for number in range(MAX_TIMER_GROUPS + 3)]
    reading = reported(process(1).key, 7, PendingTimers(groups, changing=2, unproved=3))
    assert list(reading.found.groups) == groups[:MAX_TIMER_GROUPS]
    assert (reading.others, reading.other_groups) == (968 + 967 + 966, 3)
    assert reading.pending == sum(one.pending for one in groups)
    assert (reading.found.changing, reading.found.unproved) == (2, 3)
