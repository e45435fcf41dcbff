"""Past the budget probes are detached and attached again, and every total stays what the program itself says."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.discovery.selection import Selection, parse_rules
from gosonde_agent.model.budget import Budget
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.reading_order import BELOW_FULL_SECONDS
from gosonde_common.errors import NotFoundError
from gosonde_common.values.levels import Level, Reason
from gosonde_common.values.observation import Observation

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
#: So that what is decided does not depend on how fast the machine is: a creation is next to free, an exit ruinous.
EXITS_ARE_DEAR = HitCosts(emulated=0.001, single_stepped=0.001, exited=1e9)
ALL_IS_DEAR = HitCosts(emulated=1e9, single_stepped=1e9)


@contextmanager
def unread(pid: int, costs: HitCosts, selection: Selection | None = None) -> Iterator[Monitor]:
    """The process is watched, and its memory has not been read yet."""
    selection = selection or Selection(pids=frozenset({pid}))
    monitor = Monitor(EbpfSource(load_kept()), selection, 1.0, costs, Budget(0.03))
    try:
        monitor.finder.watch(pid)
        yield monitor
    finally:
        monitor.close()


@contextmanager
def monitored(pid: int, costs: HitCosts, selection: Selection | None = None) -> Iterator[Monitor]:
    with unread(pid, costs, selection) as monitor:
        read(monitor)
        yield monitor


def seen(monitor: Monitor) -> Observation:
    """What is known once the kernel's events are handled."""
    monitor.poll()
    return monitor.observe()


def wait_until_closed(monitor: Monitor) -> None:
    """Waits until probes that were detached are gone."""
    while monitor.is_closing:
        time.sleep(0.01)


def read(monitor: Monitor) -> None:
    """Reads every process again."""
    wait_until_closed(monitor)
    for process in monitor.processes:
        monitor.readings.reconciler.hurry(process)
    monitor.readings.read_due()


def totals(observation: Observation) -> tuple[int, int, int]:
    """(created, exited, live) of the program's own goroutines and of those at unknown sites."""
    rows = [row for row in observation.site_counts if row.site.function in ("main.spawn", "")]
    return sum(row.created for row in rows), sum(row.exited for row in rows), sum(row.live for row in rows)


def level(observation: Observation) -> Level:
    (process,) = observation.processes
    return process.level


def test_exits_come_from_memory_when_only_creations_are_affordable(go_program: Start) -> None:
    program = go_program("churn")
    with monitored(program.pid, EXITS_ARE_DEAR) as monitor:
        monitor.costs.govern()
        program.ask("run 10000")
        monitor.costs.govern()
        program.ask("run 20000")
        read(monitor)
        below = monitor.observe()
        assert level(below) is Level.CREATION
        assert totals(below) == (30_000, 30_000, 0)
        (process,) = below.processes
        (step,) = process.steps
        assert (step.level, step.reason, process.precise) == (Level.CREATION, Reason.BUDGET, False)
        monitor.switch(program.pid, on=False)
        monitor.switch(program.pid, on=True)
        program.ask("run 5")
        read(monitor)
        again = monitor.observe()
        assert (level(again), totals(again)) == (Level.FULL, (30_005, 30_005, 0))


class NeverClosed(EbpfSource):
    """The kernel takes so long to close probes that it is never seen to end, until the test is over."""

    is_over = False

    def is_closing(self, number: int) -> bool:
        return not self.is_over or super().is_closing(number)


def test_a_step_down_does_not_wait_for_probes_that_the_last_one_left_to_be_closed(go_program: Start) -> None:
    program = go_program("churn")
    source, selection = NeverClosed(load_kept()), Selection(pids=frozenset({program.pid}))
    monitor = Monitor(source, selection, 1.0, EXITS_ARE_DEAR, Budget(0.03))
    try:
        monitor.finder.watch(program.pid)
        for costs, expected in ((EXITS_ARE_DEAR, Level.CREATION), (ALL_IS_DEAR, Level.MEMORY)):
            monitor.costs.set_hit_costs(costs)
            monitor.costs.govern()
            program.ask("run 10000")
            monitor.costs.govern()
            assert level(monitor.observe()) is expected
    finally:
        source.is_over = True
        monitor.close()


@pytest.mark.parametrize("version", ["1.21.13", "1.27.3"])
def test_totals_are_exact_over_a_step_to_memory_and_back(go_program: Start, version: str) -> None:
    program = go_program("churn", version=version)
    with monitored(program.pid, ALL_IS_DEAR) as monitor:
        monitor.costs.govern()
        program.ask("run 10000")
        monitor.costs.govern()
        program.ask("run 300000")
        read(monitor)
        below = monitor.observe()
        assert (level(below), totals(below)) == (Level.MEMORY, (310_000, 310_000, 0))
        monitor.costs.governor.budget = Budget()
        monitor.switch(program.pid, on=False)
        monitor.switch(program.pid, on=True)
        program.ask("run 7000")
        read(monitor)
        again = monitor.observe()
        assert (level(again), totals(again)) == (Level.FULL, (317_000, 317_000, 0))
        (process,) = again.processes
        assert [step.level for step in process.steps] == [Level.MEMORY, Level.OFF, Level.FULL]
        assert not process.precise
        assert again.losses["live_mismatch_unexplained"] == 0


def test_a_step_before_memory_was_first_read_takes_no_goroutine_from_before_for_a_creation(go_program: Start) -> None:
    program = go_program("churn")
    program.ask("run 3000")
    with unread(program.pid, ALL_IS_DEAR) as monitor:
        monitor.costs.govern()
        program.ask("run 10000")
        monitor.costs.govern()
        read(monitor)
        first = monitor.observe()
        assert (level(first), totals(first)) == (Level.MEMORY, (10_000, 10_000, 0))
        assert all(row.created == 0 for row in first.site_counts if row.baseline)
        program.ask("run 5000")
        read(monitor)
        assert totals(monitor.observe()) == (15_000, 15_000, 0)


def test_a_step_before_the_first_observation_names_the_sites_of_a_position_independent_program(
    go_program: Start,
) -> None:
    program = go_program("deep", buildmode="pie")
    with unread(program.pid, HitCosts()) as monitor:
        answer = program.ask("run 200")
        monitor.switch(program.pid, on=False)
        rows = {row.site.function: (row.created, row.exited) for row in monitor.observe().site_counts}
    assert rows["main.spawn"] == (answer["dive"], answer["dive"])
    assert rows["main.dive"] == (answer["level"], answer["level"])
    assert "" not in rows


def test_memory_is_read_in_turn_where_there_is_no_time_to_read_all_as_often(go_program: Start) -> None:
    pids = sorted(go_program("churn").pid for _ in range(3))
    with unread(pids[0], HitCosts(), Selection(pids=frozenset(pids))) as monitor:
        for pid in pids[1:]:
            monitor.finder.watch(pid)
        for pid in pids:
            monitor.switch(pid, on=False)
        wait_until_closed(monitor)
        turns = [read_next(monitor) for _ in range(2 * len(pids))]
    assert sorted(turns[:3]) == sorted(turns[3:]) == pids


def test_a_dear_reading_of_one_process_does_not_keep_those_below_full_waiting(go_program: Start) -> None:
    pids = sorted(go_program("churn").pid for _ in range(2))
    with unread(pids[0], HitCosts(), Selection(pids=frozenset(pids))) as monitor:
        monitor.finder.watch(pids[1])
        monitor.observe()
        monitor.readings.read_due()
        eventually(lambda: is_read(monitor, share=1e-9))
        eventually(lambda: monitor.readings.due_in() > 100)  # when both would be due by themselves
        monitor.switch(pids[1], on=False)
        wait_until_closed(monitor)
        assert monitor.readings.due_in() <= 0
        assert read_next(monitor) == pids[1]
        assert monitor.readings.next() is None or pids == []


def is_read(monitor: Monitor, share: float) -> bool:
    """Reads one process, if one is due, where readings may take such a share of a CPU."""
    scan = monitor.readings.next(share)
    if scan is not None:
        scan.run()
        monitor.readings.take(scan)
    return scan is not None


def read_next(monitor: Monitor) -> int:
    """Reads one process, and takes more than half of the time after which it is due again; its pid."""
    scan = monitor.readings.next()
    assert scan is not None
    scan.run()
    scan.seconds = scan.cpu_seconds = 0.0  # a slow machine is no reason to read a process less often here
    monitor.readings.take(scan)
    time.sleep(0.6 * BELOW_FULL_SECONDS)
    return scan.image.tgid


def test_probes_that_are_switched_off_cost_nothing_and_live_counts_go_on(go_program: Start) -> None:
    program = go_program("parked", "150")
    with monitored(program.pid, HitCosts()) as monitor:
        (switched,) = monitor.switch(program.pid, on=False)
        assert switched.level is Level.OFF
        read(monitor)
        before = monitor.source.hits()
        program.ask("fewer 30")
        assert monitor.source.hits() == before
        read(monitor)
        rows = [row for row in monitor.observe().site_counts if row.live > 30]
        assert [(row.baseline, row.exited, row.live) for row in rows] == [(150, 30, 120)]
        with pytest.raises(NotFoundError):
            monitor.switch(1, on=False)


def test_what_starts_while_all_probes_are_off_is_not_probed(go_program: Start) -> None:
    first = go_program("churn")
    with monitored(first.pid, HitCosts()) as monitor:
        monitor.switch(None, on=False)
        second = go_program("parked", "20")
        monitor.files.selection = Selection()
        monitor.finder.watch(second.pid)
        read(monitor)
        found = {process.key.pid: process for process in monitor.observe().processes}
        assert found[second.pid].level is Level.OFF
        live = [row.live for row in monitor.observe().site_counts if row.process.pid == second.pid]
        assert 20 in live
        monitor.switch(None, on=True)
        read(monitor)
        assert {process.level for process in monitor.observe().processes} == {Level.FULL}


def test_a_file_that_no_process_runs_is_switched_with_the_others() -> None:
    executable = go_programs.build("churn")
    selected = Selection(exe=(str(executable),))
    with GoProgram(executable) as first, monitored(first.pid, HitCosts(), selected) as monitor:
        first.ask("quit")
        eventually(lambda: not seen(monitor).processes)
        for on in (False, True):
            monitor.switch(None, on=on)
            read(monitor)
            with GoProgram(executable) as program:
                monitor.scan()
                program.ask("run 1000")
                read(monitor)
                observation = monitor.observe()
                assert level(observation) is (Level.FULL if on else Level.OFF)
                hits = [own.created + own.exited for own in monitor.source.hits().values()]
                assert (max(hits, default=0) >= 2_000) is on
            eventually(lambda: not seen(monitor).processes)


@pytest.mark.parametrize("version", ["1.21.13", "1.25.5", "1.27.3"])
def test_threads_that_c_made_are_no_goroutines_where_creations_come_from_memory(version: str) -> None:
    executable = go_programs.build("callbacks", version, env={"CGO_ENABLED": "1"})
    with GoProgram(executable) as program, monitored(program.pid, ALL_IS_DEAR) as monitor:
        program.ask("threads 3")
        monitor.costs.govern()
        program.ask("run 10000")
        monitor.costs.govern()
        for count in (8, 16):
            program.ask(f"threads {count}")
            read(monitor)
            assert (level(monitor.observe()), totals(monitor.observe())) == (Level.MEMORY, (10_000, 10_000, 0))
        program.ask("run 300")
        read(monitor)
        assert totals(monitor.observe()) == (10_300, 10_300, 0)


@pytest.mark.parametrize("version", ["1.21.13", "1.25.5", "1.27.3"])
def test_creations_that_come_from_memory_are_exact_over_any_change_of_gomaxprocs(
    go_program: Start, version: str
) -> None:
    program = go_program("churn", version=version, env={"GOMAXPROCS": "6"})
    with monitored(program.pid, ALL_IS_DEAR) as monitor:
        monitor.costs.govern()
        program.ask("run 10000")
        monitor.costs.govern()
        created = 10_000
        for processors in (6, 1, 3, 12, 2):
            program.ask(f"procs {processors}")
            program.ask("run 1003")
            created += 1_003
            read(monitor)
            assert (level(monitor.observe()), totals(monitor.observe())) == (Level.MEMORY, (created, created, 0))
        assert monitor.observe().losses["created_total_mismatch"] == 0


def test_it_steps_up_when_the_higher_level_has_been_affordable_for_a_while(go_program: Start) -> None:
    program = go_program("churn")
    with monitored(program.pid, ALL_IS_DEAR) as monitor:
        monitor.costs.govern()
        program.ask("run 10000")
        monitor.costs.govern()
        for state in monitor.costs.governor.states.values():
            state.step_up_delay = 0.2
        end = time.monotonic() + 20
        while level(monitor.observe()) is not Level.FULL:
            assert time.monotonic() < end, "it never steps up"
            time.sleep(0.1)
            read(monitor)
            monitor.costs.govern()
        (process,) = monitor.observe().processes
        assert [step.reason for step in process.steps] == [Reason.BUDGET, Reason.RECOVERED]


def test_a_command_and_a_signal_take_all_probes_out(tmp_path: Path, go_program: Start) -> None:
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\n")
    program = go_program("churn")
    agent = AgentProcess(tmp_path, "127.0.0.1:1", str(Path(f"/proc/{program.pid}/exe").readlink()))
    address = f"unix:{tmp_path / 'agent.sock'}"

    def gosonde(*arguments: str) -> list[dict[str, object]]:
        command = (str(Path(sys.executable).with_name("gosonde")), "probes", *arguments, "--agent", address, "--json")
        document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert isinstance(document, list)
        return document

    def reported() -> Observation:
        with AgentClient(address) as client:
            return client.observation(program.pid)

    try:
        eventually(lambda: agent.counted(program.pid) >= 0)
        eventually(lambda: any(row.baseline for row in reported().site_counts))  # its memory was read
        (switched,) = gosonde("off", "--pid", str(program.pid))
        assert (switched["pid"], switched["level"]) == (program.pid, "off")
        assert level(reported()) is Level.OFF
        (switched,) = gosonde("on")
        assert switched["level"] == "full"
        agent.process.send_signal(signal.SIGUSR2)
        eventually(lambda: level(reported()) is Level.OFF)
        program.ask("run 50")
        eventually(lambda: totals(reported()) == (50, 50, 0))
    finally:
        agent.kill()


def test_a_process_that_a_rule_denies_pays_nothing_for_its_sibling(go_program: Start) -> None:
    selected = go_program("churn", env={"GOSONDE_LABELS": "probes=yes"})
    denied = go_program("churn", env={"GOSONDE_LABELS": "probes=no"})
    exe = str(Path(f"/proc/{selected.pid}/exe").readlink())
    monitor = Monitor(EbpfSource(load_kept()), Selection((exe,), deny=parse_rules("deny", ("label:probes=no",))))
    try:
        monitor.scan()
        while monitor.finder.has_unknown:
            monitor.finder.load_next()
        selected.ask("run 100")
        denied.ask("run 100")
        rows = [row for row in monitor.observe().site_counts if row.site.function == "main.spawn"]
        assert [(row.process.pid, row.created, row.exited) for row in rows] == [(selected.pid, 100, 100)]
        assert {image.tgid for image in monitor.source.hits()} == {selected.pid}
    finally:
        monitor.close()
