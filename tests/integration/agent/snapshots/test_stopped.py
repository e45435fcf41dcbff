"""Goroutines of processes that are stopped for moments: those that run have exact stacks, and nothing is harmed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.snapshots import stopped
from gosonde_agent.sources.memory.running import COPIED
from gosonde_agent.sources.memory.target import Target, opened
from gosonde_common.values.goroutines import REGISTERS, Goroutine

from tests.go_programs import GoProgram, build, site_line
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
#: A deadline that a busy host keeps.
LONG = 30.0
HOLDS = """
import sys, time
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.sources.ptrace.stopping import while_stopped
def hold(registers, deadline):
    target.take(registers, lambda: None)
    print('held', flush=True)
    time.sleep(600)
with opened(int(sys.argv[1])) as target:
    while_stopped(target.runtime.pid, hold, 30.0)
"""


def ran(target: Target) -> list[Goroutine]:
    """What had a thread at one stop."""
    return list(target.ran(stopped.stopped_once(target, LONG)))


def sightings(program: GoProgram, start: str, stops: int) -> Iterator[Goroutine]:
    """The goroutine that began with a function, as it was at each of some stops."""
    with opened(program.pid) as target:
        for _ in range(stops):
            time.sleep(0.002)
            yield from (one for one in ran(target) if one.start_function == start)


def functions(goroutine: Goroutine) -> list[str]:
    """Names along its stack, innermost first."""
    return [frame.function for frame in goroutine.stack]


@pytest.mark.parametrize("build", [{}, {"ldflags": ("-s", "-w"), "buildmode": "pie"}], ids=["plain", "stripped-pie"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_loop_without_a_call_has_a_whole_stack_at_every_stop(version: str, build: Any, go_program: Start) -> None:
    program = go_program("running/endless", "1", version=version, **build)
    whole = 0
    with opened(program.pid) as target:
        while whole < 20:
            # At times it is just being preempted: not running, in a signal handler, or in what that has it call.
            for found in (one for one in ran(target) if functions(one)[-1:] == ["main.outer"]):
                assert (found.status, found.stack_from, found.complete) == ("running", REGISTERS, True)
                names = functions(found)
                assert names[-2] == "main.endless"
                assert names[:-2] == [] or names[0].startswith("runtime.")
                assert abs(found.stack[-2].line - site_line("running/endless", "endless")) <= 1
                whole += names[:-2] == []


def test_a_goroutine_that_reads_the_clock_is_where_it_called_from(go_program: Start) -> None:
    outer = ["main.ask", "main.askForEver"]
    seen = 0
    for found in sightings(go_program("running/clock"), "main.askForEver", 100):
        if found.stack:
            assert found.complete
            names = functions(found)
            assert names[-1] == "main.askForEver"
            assert names[-2:] == outer or len(names) == 1
            seen += names[-2:] == outer
        else:
            assert found.active
    assert seen > 80


def test_a_goroutine_in_a_system_call_is_where_it_called_from(go_program: Start) -> None:
    found = list(sightings(go_program("running/reading"), "main.main.gowrap1", 20))
    assert len(found) == 20
    for one in found:
        assert (one.status, one.stack_from, one.complete) == ("syscall", REGISTERS, True)
        assert functions(one)[-3:] == ["syscall.read", "syscall.Read", "main.readForEver"]


def test_a_goroutine_in_c_is_where_it_called_from(go_program: Start) -> None:
    program = go_program("running/foreign", build_env={"CGO_ENABLED": "1"})
    found = list(sightings(program, "main.callForEver", 20))
    assert len(found) == 20
    for one in found:
        assert (one.status, one.stack_from, one.complete) == ("syscall", REGISTERS, True)
        assert functions(one) == ["runtime.cgocall", "main._Cfunc_spin", "main.callForEver"]


def test_a_process_in_another_pid_namespace_is_seen_as_well() -> None:
    inside = (str(build("running/endless")), "1")
    with GoProgram(Path("/usr/bin/unshare"), "--fork", "--pid", "--kill-child", *inside) as program:
        assert program.ready["pid"] == 1
        pid = int(Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text())
        with opened(pid) as target:
            while not (found := [one for one in ran(target) if "main.outer" in functions(one)]):
                time.sleep(0.01)
    assert [(one.stack_from, one.complete) for one in found] == [(REGISTERS, True)]


def test_a_program_under_load_and_signals_is_right_after_a_hundred_stops(go_program: Start) -> None:
    program = go_program("running/checked")
    before = program.ask("rounds")["right"]
    workers: list[Goroutine] = []
    with opened(program.pid) as target:
        for _ in range(100):
            subprocess.run(["kill", "-USR1", str(program.pid)], check=True)
            workers += [one for one in ran(target) if one.start_function == "main.main.gowrap1"]
    answer = program.ask("rounds")
    assert answer["wrong"] == 0
    assert answer["right"] > before
    assert answer["signals"]
    assert workers
    for one in workers:
        whole = one.complete and functions(one)[-1] == "main.work"
        assert whole or not one.stack or functions(one).count("main.depth") > COPIED // 1_000
    assert sum(one.complete for one in workers) > len(workers) // 2


def test_a_program_is_right_after_who_held_it_was_killed_ten_times(go_program: Start) -> None:
    program = go_program("running/checked")
    for _ in range(10):
        holder = [sys.executable, "-c", HOLDS, str(program.pid)]
        with subprocess.Popen(holder, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            other.send_signal(signal.SIGKILL)
    before = program.ask("rounds")["right"]
    while program.ask("rounds")["right"] == before:
        time.sleep(0.01)
    assert program.ask("rounds")["wrong"] == 0


def command(pid: int, *flags: str) -> str:
    """What `gosonde goroutines --stop` prints. A host that is too busy to stop the process in time is asked again."""
    arguments = [GOSONDE, "goroutines", str(pid), "--stop", *flags]
    while (done := subprocess.run(arguments, capture_output=True, text=True, check=False)).returncode:
        assert "was resumed after" in done.stderr or "did not stop" in done.stderr
    return done.stdout


def test_the_command_names_an_endless_loop_and_only_that(go_program: Start) -> None:
    program = go_program("running/endless", "1")
    while True:  # a loop that was being preempted at each stop has no stack, and is not named
        found = json.loads(command(program.pid, "--json"))
        loops = [one for one in found if one["cause"] and one["stack"]]
        if loops:
            break
    (loop,) = loops
    assert loop["cause"] == "busy-loop"
    assert loop["because"].startswith("it ran in main.endless at ")
    assert [frame["function"] for frame in loop["stack"]][-2:] == ["main.endless", "main.outer"]
    assert {one["stack_from"] for one in found} <= {"memory", "registers", None}
    assert all((one["stack_from"] is None) == (not one["stack"]) for one in found)
    assert len({one["goid"] for one in found}) == len(found)


def test_the_text_says_what_a_stack_is_from_and_what_burns_a_cpu(go_program: Start) -> None:
    program = go_program("running/endless", "1")
    while True:  # as above, and then it is shown as it was read from memory
        lines = command(program.pid, "--wide").splitlines()
        named = [
            number for number, line in enumerate(lines) if line.startswith("# busy-loop: it ran in main.endless at ")
        ]
        if named and lines[named[0] + 1].startswith("#\tmain.endless\t"):
            break
    assert lines[named[0] - 1] == "# stack from registers, at the last stop"


def test_work_that_waits_in_between_is_no_endless_loop(go_program: Start) -> None:
    found = json.loads(command(go_program("running/checked").pid, "--json"))
    assert [one for one in found if one["cause"]] == []
