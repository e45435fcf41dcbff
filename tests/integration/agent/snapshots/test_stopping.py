"""A snapshot for the collector has the stacks of what runs, where the agent may stop processes for moments."""

import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import duckdb
import pytest
from gosonde_agent import helper
from gosonde_agent.model.errors import RefusedError
from gosonde_agent.snapshots.stopping import Stopping
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.sources.ptrace.errors import NotStoppedError
from gosonde_agent.sources.ptrace.held import APART_SECONDS, while_held
from gosonde_common.errors import GosondeError
from gosonde_common.values.goroutines import REGISTERS, Goroutine

from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build
from tests.integration.agent.sources.ptrace.targets import running, tracer, wait_for
from tests.integration.collector.snapshots.test_snapshot_requests import agent, host_of

RESTS = "import time; print('ready', flush=True); time.sleep(600)"
HOLDS = """
import sys, time
from gosonde_agent.sources.ptrace.stopping import while_stopped
def hold(*_):
    print('held', flush=True)
    time.sleep(600)
while_stopped(int(sys.argv[1]), hold, 600.0)
"""
#: Often enough for a host that is too busy to have a process stand in time.
TRIES = 20


@pytest.mark.timeout(900)
def test_a_running_loop_has_its_stack_when_the_helper_has_stopped_its_process(started: helper.Helper) -> None:
    found: list[Goroutine] = []
    with GoProgram(build("running/endless"), "1") as program, opened(program.pid) as target:
        stopping = Stopping(partial(while_held, started.client))
        for _ in range(TRIES):
            every = list(stopping.goroutines(target))
            assert len({one.goid for one in every}) == len(every)
            found = [one for one in every if one.stack_from == REGISTERS and one.stack[-1].function == "main.outer"]
            if found:
                break
            time.sleep(APART_SECONDS)
        (loop,) = found
        assert [frame.function for frame in loop.stack][-2:] == ["main.endless", "main.outer"]
        assert loop.complete
        assert tracer(program.pid) == 0


def test_the_helper_stops_one_process_in_ten_seconds_however_often_it_is_asked(started: helper.Helper) -> None:
    with GoProgram(build("parked"), "5") as program:
        for _ in range(20):
            began = time.monotonic()
            refused = refusal(started, program.pid)
            if "a process was stopped a moment ago" in refused:
                break
        assert "a process was stopped a moment ago" in refused
        assert time.monotonic() - began < APART_SECONDS
        assert tracer(program.pid) == 0


def refusal(started: helper.Helper, pid: int) -> str:
    """Why a process is not stopped; empty when it is."""
    try:
        while_held(started.client, pid, lambda found, _: found)
    except GosondeError as error:
        return str(error)
    return ""


def test_the_helper_stops_no_program_that_is_not_gos(started: helper.Helper) -> None:
    with running(RESTS) as target:
        with pytest.raises(RefusedError, match="not the file of a Go program"):
            while_held(started.client, target.pid, lambda found, _: found)
        assert tracer(target.pid) == 0


def test_an_agent_that_takes_too_long_has_nothing_and_the_process_runs_on(started: helper.Helper) -> None:
    with GoProgram(build("parked"), "5") as program:
        with pytest.raises(GosondeError, match=r"was resumed after|did not stop"):
            while_held(started.client, program.pid, lambda *_: time.sleep(1))
        wait_for(lambda: tracer(program.pid) == 0)


def test_a_process_that_could_not_be_stopped_is_read_as_ever_and_counted() -> None:
    def fails(*_: object) -> None:
        raise NotStoppedError("process 1 did not stop")

    with GoProgram(build("parked"), "5") as program, opened(program.pid) as target:
        stopping = Stopping(fails)  # type: ignore[arg-type]
        found = list(stopping.goroutines(target))
        waiting = {one.goid for one in found if one.status == "waiting" and not one.system}
        assert len(waiting) >= 5
        assert waiting == {one.goid for one in target.goroutines() if one.status == "waiting" and not one.system}
        assert stopping.failed == 1
        list(stopping.goroutines(target))
        assert stopping.failed == 1  # it is not tried again so soon


def test_a_program_that_another_one_traces_is_read_without_a_stop_and_stays_its(started: helper.Helper) -> None:
    with GoProgram(build("parked"), "5") as program, opened(program.pid) as target:
        holder = [sys.executable, "-c", HOLDS, str(program.pid)]
        with subprocess.Popen(holder, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            assert "is traced already, by process" in refusal(started, program.pid)
            stopping = Stopping(partial(while_held, started.client))
            assert len(list(stopping.goroutines(target))) > 5
            assert (stopping.failed, tracer(program.pid) != 0) == (1, True)
            other.kill()


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("ebpf")
def test_what_the_collector_stores_has_the_stack_of_the_loop(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("ptrace_snapshots = true\n")
    with ExitStack() as stack:
        program = stack.enter_context(GoProgram(build("running/endless"), "1"))
        collector = stack.enter_context(CollectorProcess(tmp_path))
        client = stack.enter_context(collector.client())
        stack.enter_context(agent(collector, tmp_path, "--pid", str(program.pid), "--config", str(config)))
        host = host_of(client, program.pid)
        for _ in range(TRIES):
            client.take_snapshot(host, program.pid)
            copy = tmp_path / "copy.duckdb"
            copy.write_bytes(b"".join(client.backup()))
            if "main.endless" in functions_in(copy):
                break
            time.sleep(APART_SECONDS)
        assert "main.endless" in functions_in(copy)


def functions_in(store: Path) -> set[str]:
    """All that are on a stack of some snapshot."""
    with duckdb.connect(str(store), read_only=True) as connection:
        rows = connection.execute("SELECT DISTINCT unnest(functions) FROM snapshot_groups").fetchall()
    return {function for (function,) in rows}
