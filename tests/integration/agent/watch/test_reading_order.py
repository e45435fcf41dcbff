"""Of many processes that only memory counts, the one that leaks is read first, however long the others have waited."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.reading_order import LOOKS_UNTIL_KNOWN, SUSPECTED, TURNS

from tests.agent_process import eventually
from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
OTHERS = 6
LATE_S = 60.0


@pytest.fixture
def leaking(go_program: Start) -> int:
    """The pid of a program that leaks."""
    return go_program("leak", "500").pid


@pytest.fixture
def others(go_program: Start) -> set[int]:
    """The pids of some that do nothing."""
    return {go_program("parked", "20").pid for _ in range(OTHERS)}


@pytest.fixture
def monitor(leaking: int, others: set[int]) -> Iterator[Monitor]:
    """Counts all of them from their memory alone."""
    monitor = Monitor(EbpfSource(load_probes()), Selection(pids=frozenset({leaking, *others})), 1.0)
    try:
        for pid in (leaking, *others):
            monitor.finder.watch(pid)
        monitor.switch(None, on=False)
        while monitor.is_closing:
            time.sleep(0.01)
        yield monitor
    finally:
        monitor.close()


def read_next(monitor: Monitor, leaking: int) -> int:
    """Makes the next reading, with all due and the leaking one due last; whose it was, by pid."""
    readings = monitor.readings
    for image, plan in readings.reconciler.plans.items():
        plan.due, plan.read_at = LATE_S if image.tgid == leaking else 0.0, 0.0
    scan = readings.next()
    assert scan is not None
    scan.run()
    readings.take(scan)
    return scan.image.tgid


def look(monitor: Monitor) -> None:
    """Looks at how many goroutines each process has."""
    seen = monitor.readings.next_look()
    assert seen is not None
    seen.run()
    monitor.readings.take_look(seen)


def suspected_now(monitor: Monitor) -> set[int]:
    """Looks once more; the pids of those that seem to grow."""
    look(monitor)
    plans = monitor.readings.reconciler.plans
    return {image.tgid for image, plan in plans.items() if plan.growth.suspicion}


def test_a_process_that_leaks_is_read_three_times_in_four_and_the_others_have_the_other_turns(
    monitor: Monitor, leaking: int, others: set[int]
) -> None:
    read: Counter[int] = Counter()
    while min((read[pid] for pid in (leaking, *others)), default=0) < LOOKS_UNTIL_KNOWN:
        read[read_next(monitor, leaking)] += 1
    later = [read_next(monitor, leaking) for _ in range(OTHERS * TURNS)]
    assert later.count(leaking) == OTHERS * (TURNS - 1)


def test_a_process_that_leaks_is_suspected_by_its_total_after_one_reading(
    monitor: Monitor, leaking: int, others: set[int]
) -> None:
    read: Counter[int] = Counter()
    while min((read[pid] for pid in (leaking, *others)), default=0) < 1:
        read[read_next(monitor, leaking)] += 1
    for _ in range(LOOKS_UNTIL_KNOWN + SUSPECTED):
        look(monitor)
        time.sleep(0.1)
    # A collection of garbage may have started goroutines of the runtime's own meanwhile.
    eventually(lambda: suspected_now(monitor) == {leaking})
