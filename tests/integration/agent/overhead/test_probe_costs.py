"""What probes cost a target is hits times what a hit costs on this host, reported beside the target's CPU time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.model.budget import Budget
from gosonde_agent.sources import hit_costs
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor

from tests.agent_process import eventually
from tests.go_programs import GoProgram
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
COSTS = HitCosts(emulated=1_000.0, single_stepped=1_000.0, exited=500.0)


def test_a_stepped_instruction_is_measured_as_dearer_than_an_emulated_one() -> None:
    source = EbpfSource(load_kept())
    costs = source.hit_costs()
    source.close()
    assert costs.measured
    assert 0 < costs.emulated < costs.single_stepped


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
