"""What probes cost a target is hits times what a hit costs on this host, reported beside the target's CPU time."""

import asyncio
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from gosonde_agent.config import AgentConfig
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.model.budget import Budget
from gosonde_agent.sources import hit_costs
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.recalibrating import Recalibrating
from gosonde_agent.watch.running import Running

from tests.agent_process import eventually
from tests.busy_host import busy_host
from tests.go_programs import GoProgram
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
#: By which factor two measurements of a host that does other things may differ.
ALIKE = 1.5
#: How often they may differ by more.
TRIES = 5
COSTS = HitCosts(emulated=1_000.0, single_stepped=1_000.0, exited=500.0)


def test_a_stepped_instruction_is_measured_as_dearer_than_an_emulated_one() -> None:
    source = EbpfSource(load_kept())
    costs = source.hit_costs()
    source.close()
    assert costs.measured
    assert 0 < costs.emulated < costs.single_stepped


def test_a_busy_host_makes_hits_hardly_dearer() -> None:
    source = EbpfSource(load_kept())
    try:
        # What else the host does comes and goes between two measurements as well.
        assert any(hardly_differs(source) for _ in range(TRIES))
    finally:
        source.close()


def hardly_differs(source: EbpfSource) -> bool:
    """Whether what is measured beside busy loops is like what is measured before and after them."""
    before = source.hit_costs()
    with busy_host(loops_per_core=8 // (os.cpu_count() or 1) or 1):
        beside = source.hit_costs()
    after = source.hit_costs()
    bounds = {name: sorted((getattr(before, name), getattr(after, name))) for name in ("emulated", "single_stepped")}
    return all(least / ALIKE < getattr(beside, name) < most * ALIKE for name, (least, most) in bounds.items())


def test_doubtful_costs_are_measured_again_and_the_better_ones_count(go_program: Start, tmp_path: Path) -> None:
    program = go_program("churn")
    doubtful = HitCosts(emulated=9_000.0, measured=True, disturbed=1.0)
    source = EbpfSource(load_kept())
    monitor = Monitor(source, Selection(pids=frozenset({program.pid})), costs=doubtful)
    keep = partial(hit_costs.keep, tmp_path, "boot")
    running = Running(AgentConfig(), os.getpid())
    try:
        monitor.finder.watch(program.pid)
        monitor.observe()
        found = asyncio.run(Recalibrating(monitor, running, source.hit_costs, keep).improved(doubtful))
        assert found.emulated < 9_000
        assert hit_costs.cached(tmp_path, "boot", HitCosts) == found
        program.ask("run 10000")
        (costs,) = monitor.observe().probe_costs
        assert 10_000 * found.emulated < costs.probe_ns < 20_000 * 9_000
    finally:
        monitor.close()


def test_measuring_leaves_nothing_behind() -> None:
    source = EbpfSource(load_kept())
    source.hit_costs()
    eventually(lambda: not source.counters().sites)
    source.close()


def test_a_target_pays_for_every_hit(go_program: Start) -> None:
    program = go_program("churn")
    monitor = Monitor(EbpfSource(load_kept()), Selection(pids=frozenset({program.pid})), costs=COSTS)
    try:
        monitor.finder.watch(program.pid)
        (idle,) = monitor.observe().probe_costs
        program.ask("run 200000")
        (busy,) = monitor.observe().probe_costs
        # Goroutines of the runtime come and go as well.
        assert 200_000 * 2_500 <= busy.probe_ns - idle.probe_ns < 201_000 * 2_500
        assert busy.cpu_ns > idle.cpu_ns
        assert busy.target_ppm > idle.target_ppm
        assert busy.core_ppm > 0
    finally:
        monitor.close()


def test_costs_are_measured_once_a_boot(tmp_path: Path) -> None:
    measured = [HitCosts(emulated=1.0, measured=True), HitCosts(emulated=2.0, measured=True)]
    calls = iter(measured)

    def measure() -> HitCosts:
        return next(calls)

    assert hit_costs.cached(tmp_path, "boot-1", measure) == measured[0]
    assert hit_costs.cached(tmp_path, "boot-1", measure) == measured[0]
    assert hit_costs.cached(tmp_path, "boot-2", measure) == measured[1]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"boot_id": "boot"}x', '{"boot_id": "boot", "emulated": -1}'])
def test_damaged_costs_are_measured_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / hit_costs.FILE_NAME).write_text(content)
    fresh = HitCosts(emulated=3.0, measured=True)
    assert hit_costs.cached(tmp_path, "boot", lambda: fresh) == fresh
    assert json.loads((tmp_path / hit_costs.FILE_NAME).read_text())["emulated"] == 3.0


def test_no_process_is_hit_more_often_than_its_slot_says(go_program: Start) -> None:
    program = go_program("churn")
    monitor = Monitor(EbpfSource(load_kept()), Selection(pids=frozenset({program.pid})))
    try:
        monitor.finder.watch(program.pid)
        program.ask("run 10000")
        (hits,) = monitor.source.hits().values()
        slots = monitor.source.hit_slots()
        assert 20_000 <= sum(hits) <= slots[program.pid % len(slots)]
    finally:
        monitor.close()


@pytest.mark.parametrize(("costs", "suffices"), [(HitCosts(0.001, 0.001, 0.001), True), (COSTS, False)])
def test_sites_are_read_only_when_the_hits_could_be_too_many(
    go_program: Start, costs: HitCosts, *, suffices: bool
) -> None:
    program = go_program("churn")
    selection = Selection(pids=frozenset({program.pid}))
    monitor = Monitor(EbpfSource(load_kept()), selection, costs=costs, budget=Budget(0.03))
    try:
        monitor.finder.watch(program.pid)
        monitor.observe()
        monitor.costs.govern()
        program.ask("run 200000")
        assert monitor.costs.precheck.suffices(monitor.source.hit_slots()) is suffices
    finally:
        monitor.close()
