"""While nothing happens the agent sleeps, and whatever happens then wakes it."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.events import EVENT_EXIT, EVENT_HIT
from gosonde_agent.watch import quiet
from gosonde_agent.watch.monitor import Monitor

from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A monitor of this process is quiet after a second; an agent of its own is as it is for users."""
    monkeypatch.setattr(quiet, "QUIET_SECONDS", 1.0)


@contextmanager
def watched(
    pid: int, selection: Selection | None = None, reconcile_seconds: float = 0.0
) -> Iterator[tuple[Monitor, EbpfSource]]:
    """A monitor of one process, or of what else is selected, and its source."""
    source = EbpfSource(load_kept())
    monitor = Monitor(source, selection or Selection(pids=frozenset({pid})), reconcile_seconds)
    try:
        monitor.finder.watch(pid)
        yield monitor, source
    finally:
        monitor.close()


def falls_asleep(monitor: Monitor) -> bool:
    """Once more what the agent does at each observation."""
    monitor.poll()
    monitor.observe()
    return monitor.may_sleep()


def is_told(source: EbpfSource, kind: int, pid: int, seconds: float = 60) -> bool:
    """Whether an event of a process wakes whoever waits for the source."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([source.event_fd], [], [], left)[0] and any(
            (event.kind, event.tgid) == (kind, pid) for event in source.events()
        ):
            return True
    return False


def test_the_first_hit_wakes_the_agent_and_the_others_do_not(go_program: Start) -> None:
    program = go_program("churn")
    with watched(program.pid) as (monitor, source):
        eventually(lambda: falls_asleep(monitor))
        program.ask("run 1000")
        assert is_told(source, EVENT_HIT, program.pid)
        assert not [event for event in source.events() if event.kind == EVENT_HIT]


def test_a_hit_that_was_not_told_keeps_the_agent_awake(go_program: Start) -> None:
    program = go_program("churn")
    with watched(program.pid) as (monitor, _):
        eventually(lambda: falls_asleep(monitor))
        program.ask("run 1")
        assert not monitor.may_sleep()


def test_the_end_of_a_watched_process_wakes_the_agent(go_program: Start) -> None:
    program = go_program("churn")
    with watched(program.pid) as (monitor, source):
        eventually(lambda: falls_asleep(monitor))
        os.kill(program.pid, signal.SIGKILL)
        assert is_told(source, EVENT_EXIT, program.pid)


def test_what_is_not_probed_in_full_is_looked_at_all_the_time(go_program: Start) -> None:
    program = go_program("churn")
    with watched(program.pid) as (monitor, _):
        eventually(lambda: falls_asleep(monitor))
        monitor.switch(program.pid, on=False)
        eventually(lambda: not monitor.is_closing)
        assert not monitor.may_sleep()


def test_a_reading_of_memory_that_shows_nothing_new_keeps_nobody_awake(go_program: Start) -> None:
    program = go_program("parked", "10")
    with watched(program.pid) as (monitor, _):
        monitor.readings.read_due()
        eventually(lambda: falls_asleep(monitor))
        for process in monitor.processes:
            monitor.readings.reconciler.hurry(process)
        monitor.readings.read_due()
        assert monitor.may_sleep()


def test_nothing_is_due_once_all_baselines_are_known(go_program: Start) -> None:
    before = go_program("parked", "10")
    executable = Path(f"/proc/{before.pid}/exe").readlink()
    with watched(before.pid, Selection(exe=(str(executable),))) as (monitor, _), GoProgram(executable, "10"):
        monitor.scan()
        assert len(monitor.observe().processes) == 2
        monitor.readings.read_due()
        assert monitor.readings.due_in() == float("inf")


def test_what_happens_while_the_agent_sleeps_is_told(tmp_path: Path, go_program: Start) -> None:
    program = go_program("churn")
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\n")
    agent = AgentProcess(tmp_path, f"unix:{tmp_path}/nobody.sock", str(Path(f"/proc/{program.pid}/exe").readlink()))

    def taken() -> int:
        with AgentClient(agent.listen, timeout_seconds=5) as client:
            return client.observation(program.pid).taken_unix_nano

    def sleeps() -> bool:
        before = taken()
        time.sleep(1)
        return taken() == before

    try:
        eventually(lambda: agent.counted(program.pid) >= 0)
        eventually(sleeps)
        program.ask("run 1000")
        eventually(lambda: agent.counted(program.pid) == 1000)
    finally:
        agent.kill()


def test_memory_that_agrees_is_read_rarely_until_a_probe_is_hit(go_program: Start) -> None:
    program = go_program("churn")
    with watched(program.pid, reconcile_seconds=0.01) as (monitor, _):

        def is_at_rest() -> bool:
            monitor.poll()
            monitor.observe()
            monitor.readings.read_due()
            return 100 < monitor.readings.due_in() < float("inf")

        eventually(is_at_rest)
        program.ask("run 1")
        monitor.observe()
        assert monitor.readings.due_in() < 100
        eventually(is_at_rest)
