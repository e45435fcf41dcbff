"""What hardware breakpoints count equals what the programs themselves count, exactly, and harms no program."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from gosonde_agent.host.sampling_events import Instruction, open_breakpoint
from gosonde_agent.model.errors import BusyDebugRegistersError
from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.tracing import trace_pid

from tests import go_programs
from tests.go_programs import GoProgram
from tests.integration.agent.sources.perf.traced import RUNS, check_counts_in_a_storm, has_opened, trace_while
from tests.toolchains import VERSIONS

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
SOURCE = "perf-breakpoints"
NOBODY = 65_534


@pytest.mark.parametrize("version", VERSIONS)
def test_every_goroutine_is_counted_on_every_version_of_go(go_program: Start, version: str) -> None:
    traced = trace_while(go_program("churn", version=version), "run 3000", SOURCE)
    assert traced.counts("main.spawn") == (3_000, 3_000)
    assert not traced.lost
    assert traced.seen.process is not None
    assert traced.seen.process.precise


@pytest.mark.parametrize("build", [{"ldflags": ("-s", "-w")}, {"buildmode": "pie"}])
def test_stripped_and_position_independent_programs_are_counted_alike(
    go_program: Start, build: dict[str, object]
) -> None:
    traced = trace_while(go_program("churn", **build), "run 2000", SOURCE)
    assert traced.counts("main.spawn") == (2_000, 2_000)


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("processors", [1, 2])
def test_a_profile_and_threads_and_children_and_stops_disturb_no_count_and_no_exits_statement(
    go_program: Start, processors: int, run: int
) -> None:
    check_counts_in_a_storm(go_program("stormy", env={"GOMAXPROCS": str(processors)}), SOURCE, 3_000 + run)


def test_goroutines_that_lived_before_have_their_statement_when_they_exit(go_program: Start) -> None:
    program = go_program("parked", "30")
    traced = trace_while(program, "fewer 20", SOURCE)
    assert traced.counts("main.main") == (0, 20)
    assert not traced.lost


def test_a_trace_that_is_killed_leaves_the_program_alive_and_right(go_program: Start) -> None:
    program = go_program("churn")
    program.send("run 20000")
    for opened in (1, 6, 12):
        command = [GOSONDE, "trace", "--source", SOURCE, "--pid", str(program.pid), "--duration", "60"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as trace:
            wait_until(partial(has_opened, trace.pid, opened))
            trace.kill()
    answer = program.answer()
    assert answer["sum"] == answer["expected"]
    assert program.alive()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_program_that_executes_another_is_counted_until_then(go_program: Start) -> None:
    program = go_program("execer", "500", str(go_programs.build("parked")), "3")
    ended: list[bool] = []

    def on_step(elapsed: float, so_far: Trace) -> None:
        if not elapsed:
            program.ask("exec")
        ended.append(so_far.has_ended)

    with trace_pid(program.pid, 60, on_step, SOURCE) as seen:
        created = sum(row.created for row in seen.sites if row.site.function == "main.spawn")
    assert created == 500
    assert ended[-1]


def test_a_program_that_ends_is_counted_to_its_end(go_program: Start) -> None:
    program = go_program("churn")

    def on_step(elapsed: float, _so_far: Trace) -> None:
        if not elapsed:
            program.ask("run 700")
            program.send("quit")
            program.wait()

    with trace_pid(program.pid, 60, on_step, SOURCE) as seen:
        created = sum(row.created for row in seen.sites if row.site.function == "main.spawn")
    assert created == 700
    assert seen.has_ended


def test_a_program_in_a_pid_namespace_of_its_own_is_counted() -> None:
    arguments = ("--pid", "--fork", "--kill-child", str(go_programs.build("churn")))
    with GoProgram(Path("/usr/bin/unshare"), *arguments) as outside:
        program = int(Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text())
        traced = trace_while(outside, "run 600", SOURCE, pid=program)
    assert traced.counts("main.spawn") == (600, 600)
    assert not traced.lost


def test_debug_registers_that_somebody_else_uses_are_named(go_program: Start) -> None:
    program = go_program("churn")
    thread = program.pid
    taken = [open_breakpoint(thread, cpu, Instruction(8, 0, ("rax",))) for cpu in (0, 0, 0)]
    try:
        with (
            pytest.raises(BusyDebugRegistersError, match="1 free debug registers, and 2 are needed"),
            trace_pid(program.pid, 0.1, lambda _elapsed, _so_far: None, SOURCE),
        ):
            pass
    finally:
        for event in taken:
            os.close(event)


def as_user(trace: Callable[[], str]) -> str:
    """What a copy of this process says that has given up all privileges; the name of the error where it raises one."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setuid(NOBODY)  # the group stays that of the programs that are started for this user
            os.write(writer, trace().encode())
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def test_an_ordinary_user_counts_a_process_of_his_own_and_it_says_why_not_by_ebpf() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        executable = shutil.copy(go_programs.build("churn"), folder)
        with GoProgram(Path(executable), user=NOBODY) as program:

            def trace() -> str:
                def on_step(elapsed: float, _so_far: Trace) -> None:
                    if not elapsed:
                        program.ask("run 800")

                with trace_pid(program.pid, 0.5, on_step) as seen:
                    counted = [(row.created, row.exited) for row in seen.sites if row.site.function == "main.spawn"]
                return f"{seen.kind.name} {counted} {seen.why.partition(': ')[0]}"

            said = as_user(trace)
    assert said == f"{SOURCE} [(800, 800)] not ebpf"


def test_where_a_thread_has_no_debug_registers_left_the_next_source_is_taken_and_it_says_why() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        executable = shutil.copy(go_programs.build("parked"), folder)
        with GoProgram(Path(executable), "7", user=NOBODY) as program, ExitStack() as stack:
            last = max(int(thread.name) for thread in Path(f"/proc/{program.pid}/task").iterdir())
            assert last != program.pid
            for _ in range(3):
                stack.callback(os.close, open_breakpoint(last, 0, Instruction(8, 0, ("rax",))))

            def trace() -> str:
                with trace_pid(program.pid, 0.2, lambda _elapsed, _so_far: None) as seen:
                    return f"{seen.kind.name}; {seen.why}"

            said = as_user(trace)
    assert said.startswith("memory; not ebpf: ")
    assert f"not perf-breakpoints: thread {last} has 1 free debug registers" in said


def test_what_another_user_may_not_trace_names_the_setting(go_program: Start) -> None:
    pid = go_program("churn").pid

    def trace() -> str:
        with trace_pid(pid, 0.1, lambda _elapsed, _so_far: None, SOURCE):
            return "it was allowed"

    assert as_user(trace).startswith("NotPermittedError: a hardware breakpoint in thread ")
    assert "kernel.perf_event_paranoid is" in as_user(trace)
