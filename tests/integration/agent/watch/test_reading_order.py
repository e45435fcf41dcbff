"""Of many processes that only memory counts, the one that leaks is read first, however long the others have waited."""

import time
from collections import Counter
from collections.abc import Callable

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.reading_order import READINGS_UNTIL_KNOWN, TURNS

from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
OTHERS = 6
LATE_S = 1.0


def read_next(monitor: Monitor, leaking: int) -> int:
    """Makes the next reading, with all due and the leaking one due last; whose it was, by pid."""
    readings = monitor.readings
    for image, plan in readings.reconciler.plans.items():
        plan.due = LATE_S if image.tgid == leaking else 0.0
    scan = readings.next()
    assert scan is not None
    scan.run()
    readings.take(scan)
    return scan.image.tgid


def test_a_process_that_leaks_is_read_three_times_in_four_and_the_others_have_the_other_turns(
    go_program: Start,
) -> None:
    leaking = go_program("leak", "500").pid
    others = {go_program("parked", "20").pid for _ in range(OTHERS)}
    monitor = Monitor(EbpfSource(load_probes()), Selection(pids=frozenset({leaking, *others})), 1.0)
    try:
        for pid in (leaking, *others):
            monitor.finder.watch(pid)
        monitor.switch(None, on=False)
        while monitor.is_closing:
            time.sleep(0.01)
        read: Counter[int] = Counter()
        while min((read[pid] for pid in (leaking, *others)), default=0) < READINGS_UNTIL_KNOWN:
            read[read_next(monitor, leaking)] += 1
        later = [read_next(monitor, leaking) for _ in range(OTHERS * TURNS)]
    finally:
        monitor.close()
    assert later.count(leaking) == OTHERS * (TURNS - 1)
