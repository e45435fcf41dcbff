"""Parks are counted in short windows: the estimate holds what the program itself counts, and no probe stays behind."""

import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.golang import binary
from gosonde_agent.host import procfs
from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.parking import Parking
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_common.values.levels import PROBES, Level
from gosonde_common.values.observation import Observation, ParkCount

from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
#: So that what is decided does not depend on how fast the machine is.
HITS_ARE_RUINOUS = HitCosts(emulated=1e9, single_stepped=1e9)
#: However slow the machine is.
HITS_TAKE_ALL = HitCosts(emulated=1e5, single_stepped=1e5)


@contextmanager
def monitored(pid: int, costs: HitCosts | None = None, budget: Budget | None = None) -> Iterator[Monitor]:
    selection = Selection(pids=frozenset({pid}))
    monitor = Monitor(EbpfSource(load_kept()), selection, costs=costs, budget=budget, parks=True)
    try:
        monitor.finder.watch(pid)
        monitor.observe()
        yield monitor
    finally:
        monitor.close()


def due(monitor: Monitor) -> Parking | None:
    """The window of the only file, whether its time has come or not, if it is paid."""
    sampler = monitor.costs.parks
    assert sampler is not None
    if parking := sampler.next():
        return parking
    for plan in sampler.plans.values():
        plan.due = 0.0
    return sampler.next()


def one_window(monitor: Monitor) -> None:
    parking = due(monitor)
    assert parking is not None
    parking.window.run()
    monitor.costs.take_parking(parking)


@functools.cache
def park_point(executable: Path) -> int:
    """Where the park probe goes; found once, so that whoever polls for the probe misses no window."""
    with procfs.file(str(executable)) as (fd, path):
        return binary.load(fd, path).points["parked"].vaddr


def has_park_probe(program: GoProgram) -> bool:
    """Whether the byte where the park probe goes is an int3 in the program's memory."""
    process = Path(f"/proc/{program.pid}")
    with (process / "mem").open("rb") as memory:
        memory.seek(park_point((process / "exe").readlink()))
        return memory.read(1) == b"\xcc"


def parks(observation: Observation) -> dict[str, ParkCount]:
    return {row.wait_reason: row for row in observation.park_counts}


@pytest.mark.parametrize(("version", "rate"), [("1.21.13", 500), ("1.27.3", 500), ("1.27.3", 20_000)])
def test_the_programs_own_counts_lie_between_the_bounds(go_program: Start, version: str, rate: int) -> None:
    program = go_program("parks", str(rate), version=version, env={"GOMAXPROCS": "1"})
    reasons = {"chan receive": "received", "sleep": "slept"}
    with monitored(program.pid) as monitor:
        before = program.ask("counts")
        one_window(monitor)
        first = program.ask("counts")

        def windows(count: int) -> bool:
            """Whether after so many more windows all bounds hold what happened from the first to the last."""
            for _ in range(count):
                last = program.ask("counts")
                one_window(monitor)
                time.sleep(0.1)
            after, reported = program.ask("counts"), parks(monitor.observe())
            return all(
                reported[reason].parks_low <= after[name] - before[name]
                and (reported[reason].parks_high or float("inf")) >= last[name] - first[name]
                for reason, name in reasons.items()
            )

        # By their nature bounds of 95 % are wrong now and then, but not for long.
        assert windows(15) or windows(15) or windows(15)
        assert program.ask("counts")["wrong"] == 0
        reported = parks(monitor.observe())
        assert set(reported) >= set(reasons)
        for row in reported.values():
            assert 0 < row.sampled_ns < row.covered_ns
            assert row.parked <= row.parks_low <= row.parks


def test_the_probe_is_out_between_windows(go_program: Start) -> None:
    program = go_program("parks", "0", env={"GOMAXPROCS": "1"})
    with monitored(program.pid) as monitor:
        assert not has_park_probe(program)
        for _ in range(5):
            one_window(monitor)
            assert not has_park_probe(program)
            assert monitor.source.maps.parks() == {}  # type: ignore[attr-defined]
        assert monitor.source.hits().keys() <= {process.image for process in monitor.processes}


def test_a_saturated_program_may_have_parked_any_number_of_times_more(go_program: Start) -> None:
    """Without the probe it parks many times as often: no upper bound is reported, and the lower one holds."""
    program = go_program("parks", "0", env={"GOMAXPROCS": "1"})
    with monitored(program.pid, HITS_TAKE_ALL) as monitor:
        before = program.ask("counts")
        for _ in range(4):
            one_window(monitor)
        true = program.ask("counts")["received"] - before["received"]
        reported = parks(monitor.observe())
        costliest = max(reported.values(), key=lambda row: row.parks)
        assert costliest.parks_high is None
        assert sum(row.parks_low for row in reported.values()) <= true


def test_a_window_goes_on_through_a_step_to_another_level(go_program: Start) -> None:
    program = go_program("parks", "500")
    with monitored(program.pid) as monitor, opened(monitor, program) as parking:
        for level in (Level.MEMORY, Level.CREATION, Level.FULL):
            monitor.source.set_probes(parking.number, PROBES[level])
            assert has_park_probe(program)
        time.sleep(0.2)
        parking.window.end()
        parking.window.wait()
        assert not has_park_probe(program)
        assert parking.window.sample is not None
        (counts,) = parking.window.sample.parks.values()
        assert sum(counts.values()) > 0


@contextmanager
def opened(monitor: Monitor, program: GoProgram) -> Iterator[Parking]:
    """A window that would be open for minutes, from when the probe is in."""
    parking = due(monitor)
    assert parking is not None
    parking.window.seconds = 600.0
    thread = threading.Thread(target=parking.window.run)
    thread.start()
    try:
        eventually(lambda: has_park_probe(program))
        yield parking
    finally:
        parking.window.end()
        thread.join()


def test_switching_probes_off_ends_a_window_at_once(go_program: Start) -> None:
    program = go_program("parks", "500")
    with monitored(program.pid) as monitor:
        with opened(monitor, program) as parking:
            monitor.switch(program.pid, on=False)
            eventually(lambda: not monitor.is_closing)
            assert not has_park_probe(program)
        monitor.costs.take_parking(parking)
        assert due(monitor) is None
        monitor.switch(program.pid, on=True)
        assert not has_park_probe(program)
        one_window(monitor)


def test_a_window_that_was_ended_before_it_opened_never_opens(go_program: Start) -> None:
    program = go_program("parks", "500")
    with monitored(program.pid) as monitor:
        parking = due(monitor)
        assert parking is not None
        monitor.switch(program.pid, on=False)
        parking.window.run()
        assert parking.window.sample is None
        monitor.costs.take_parking(parking)


def test_closing_the_agents_source_ends_a_window(go_program: Start) -> None:
    program = go_program("parks", "500")
    with monitored(program.pid) as monitor, opened(monitor, program):
        monitor.files.attachments.close()
        assert not has_park_probe(program)


def test_no_window_opens_while_the_budget_has_nothing_left(go_program: Start) -> None:
    program = go_program("bench")
    with monitored(program.pid, HITS_ARE_RUINOUS, Budget(0.03)) as monitor:
        assert due(monitor) is not None
        program.ask("run 100")
        monitor.observe()
        assert due(monitor) is None
        assert monitor.observe().losses["park_windows_put_off"] > 0


def test_a_window_must_be_paid_before_the_next_one_opens(go_program: Start) -> None:
    program = go_program("parks", "500")
    with monitored(program.pid, HITS_ARE_RUINOUS, Budget(0.03)) as monitor:
        one_window(monitor)
        assert due(monitor) is None
        (cost,) = monitor.observe().probe_costs
        assert cost.probe_ns > 0


def agent_with_parks(folder: Path, program: GoProgram) -> AgentProcess:
    (folder / "agent.toml").write_text("interval_seconds = 0.2\npark = true\n")
    agent = AgentProcess(folder, "127.0.0.1:1", str(Path(f"/proc/{program.pid}/exe").readlink()))
    eventually(lambda: agent.counted(program.pid) >= 0)
    return agent


def test_windows_on_a_program_that_does_nothing_but_park_stay_within_its_budget(
    go_program: Start, tmp_path: Path
) -> None:
    program = go_program("parks", "0", env={"GOMAXPROCS": "1"})
    agent = agent_with_parks(tmp_path, program)
    try:

        def reported() -> Observation:
            with AgentClient(agent.listen, timeout_seconds=5) as client:
                return client.observation(program.pid)

        def is_within_budget() -> bool:
            seen = reported()
            cheap = any(0 < cost.probe_ns <= 0.03 * cost.cpu_ns for cost in seen.probe_costs)
            return cheap and bool(seen.park_counts)

        eventually(is_within_budget, 120)
        (process,) = reported().processes
        assert (process.level, process.steps) == (Level.FULL, ())
        assert program.ask("counts")["wrong"] == 0
    finally:
        agent.kill()


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_agent_in_a_window_leaves_no_probe(
    go_program: Start, tmp_path: Path, death: signal.Signals
) -> None:
    program = go_program("parks", "500")
    agent = agent_with_parks(tmp_path, program)
    try:
        eventually(lambda: has_park_probe(program))
        os.kill(agent.process.pid, death)
        agent.process.wait()
        eventually(lambda: not has_park_probe(program))
    finally:
        agent.kill()
    assert program.ask("counts")["wrong"] == 0


def test_results_are_right_through_a_hundred_windows_under_load(go_program: Start) -> None:
    program = go_program("load")
    with monitored(program.pid) as monitor:
        for _ in range(100):
            one_window(monitor)
        assert monitor.observe().park_counts
    answer = program.ask("stop")
    assert answer["right"]
    assert answer["rounds"] > 0
