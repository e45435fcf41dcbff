"""A program that starts more goroutines than probes may count: windows say which statements they are of."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.model.budget import Budget
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Observation, SiteCount

from tests.go_programs import GoProgram, site_line
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
#: So dear that nothing but windows fits, however few goroutines this machine has time for.
DEAR = HitCosts(emulated=10_000.0, single_stepped=10_000.0)
#: So that one of 16 creations may be counted, and not all.
MEDIUM = HitCosts(emulated=1_400.0, single_stepped=10_000.0, exited=100.0)
STATEMENTS = ("half", "third", "seventh", "twentieth")
WINDOWS = 10


@contextmanager
def monitored(pid: int, costs: HitCosts = DEAR) -> Iterator[Monitor]:
    monitor = Monitor(EbpfSource(load_kept()), Selection(pids=frozenset({pid})), 1.0, costs, Budget(0.5))
    try:
        monitor.finder.watch(pid)
        read(monitor)
        yield monitor
    finally:
        monitor.close()


def read(monitor: Monitor) -> None:
    """Reads the process now."""
    while monitor.is_closing:
        time.sleep(0.01)
    for process in monitor.processes:
        monitor.readings.reconciler.hurry(process)
    monitor.readings.read_due()


def go_on_until(monitor: Monitor, condition: Callable[[], bool]) -> None:
    """Does what the agent does all the time."""
    while not condition():
        monitor.poll()
        monitor.costs.govern()
        monitor.readings.read_due()
        if sampling := monitor.costs.sites.next():
            sampling.window.run()
            monitor.costs.sites.finish(sampling)
        time.sleep(0.02)


def level(monitor: Monitor) -> Level:
    (process,) = monitor.processes
    return process.level


def rows(seen: Observation) -> dict[str, SiteCount]:
    """The program's own rows by statement, and the one without a name."""
    lines = {site_line("shares", name): name for name in STATEMENTS}
    own = [row for row in seen.site_counts if row.site.function in ("main.spawn", "")]
    return {lines.get(row.site.line, ""): row for row in own}


def test_estimates_hold_what_the_program_says_and_add_up_through_steps_up_and_down(go_program: Start) -> None:
    program = go_program("shares")
    with monitored(program.pid) as monitor:
        program.ask("start alternating 100000")
        go_on_until(monitor, lambda: level(monitor) is Level.SAMPLED)
        go_on_until(monitor, lambda: any(row.windows >= WINDOWS for row in monitor.observe().estimates))
        started = dict(zip(STATEMENTS, program.ask("stop")["started"], strict=True))
        read(monitor)
        seen = monitor.observe()
        found, estimated = rows(seen), {row.site.line: row for row in seen.estimates}
        assert sum(row.created for row in found.values()) == sum(started.values())
        assert all(row.live == 0 for row in found.values())
        assert sum(row.created for row in seen.estimates) == found[""].created
        for name in STATEMENTS:
            guess = estimated[site_line("shares", name)]
            assert (guess.exited, guess.exited_low, guess.exited_high) == guess[2:5]
            unseen = started[name] - found[name].created
            assert guess.created_low <= unseen <= guess.created_high
            assert guess.created == pytest.approx(unseen, rel=0.15)

        monitor.switch(program.pid, on=False)
        monitor.switch(program.pid, on=True)
        assert level(monitor) is Level.FULL
        program.ask("start mixed 1000")
        time.sleep(0.1)
        more = dict(zip(STATEMENTS, program.ask("stop")["started"], strict=True))
        read(monitor)
        again = monitor.observe()
        assert {name: row.created - found[name].created for name, row in rows(again).items() if name} == {
            name: more[name] - started[name] for name in STATEMENTS
        }
        assert again.estimates == seen.estimates


def test_bursts_longer_than_windows_are_told_by_one_of_16_creations(go_program: Start) -> None:
    program = go_program("shares")
    with monitored(program.pid, MEDIUM) as monitor:
        program.ask("start bursting 100000")
        go_on_until(monitor, lambda: level(monitor) is Level.SAMPLED)
        go_on_until(monitor, lambda: is_told_within_a_tenth(monitor.observe()))
        started = dict(zip(STATEMENTS, program.ask("stop")["started"], strict=True))
        read(monitor)
        seen = monitor.observe()
        found, estimated = rows(seen), {row.site.line: row for row in seen.estimates}
        assert sum(row.created for row in found.values()) == sum(started.values())
        assert monitor.costs.sites.losses["site_windows_failed"] == 0
        for name in STATEMENTS:
            whole = found[name].created + estimated[site_line("shares", name)].created
            assert whole == pytest.approx(started[name], abs=0.05 * sum(started.values()))
        monitor.switch(program.pid, on=False)
        read(monitor)
        before = monitor.source.hits()
        program.ask("start bursting 100000")
        time.sleep(0.2)
        program.ask("stop")
        assert monitor.source.hits() == before


def is_told_within_a_tenth(seen: Observation) -> bool:
    """Whether the statement with one half is known so well, for which windows alone would have to be hundreds."""
    found = [row for row in seen.estimates if row.site.line == site_line("shares", "half")]
    return any(row.windows >= WINDOWS and row.created_high - row.created_low < 0.2 * row.created for row in found)


def test_a_step_ends_a_window_and_nothing_is_counted_twice(go_program: Start) -> None:
    program = go_program("shares")
    with monitored(program.pid) as monitor:
        program.ask("start mixed 20000")
        go_on_until(monitor, lambda: level(monitor) is Level.SAMPLED and bool(monitor.costs.sites.plans))
        (plan,) = monitor.costs.sites.plans.values()
        plan.due, plan.seconds, sampling = 0.0, 600.0, None
        while sampling is None:
            plan.spent.clear()
            plan.due, sampling = 0.0, monitor.costs.sites.next()
        slots = monitor.source.hit_slots().sum()
        held = threading.Thread(target=sampling.window.run)
        held.start()
        while monitor.source.hit_slots().sum() < slots + 100:
            time.sleep(0.01)
        monitor.switch(program.pid, on=False)
        monitor.switch(program.pid, on=True)
        held.join()
        monitor.costs.sites.finish(sampling)
        program.ask("stop")
        read(monitor)
        before = sum(row.created for row in rows(monitor.observe()).values())
        began = sum(program.ask("count")["started"])
        assert before == began
        program.ask("start mixed 1000")
        time.sleep(0.1)
        ended = sum(program.ask("stop")["started"])
        read(monitor)
        assert sum(row.created for row in rows(monitor.observe()).values()) == ended
        assert level(monitor) is Level.FULL
