"""A trace by breakpoints: exact where little happens, by windows and estimates where much does, and out in time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.sources.kinds import PTRACE
from gosonde_agent.watch.trace.attaching import danger
from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.tracing import trace_pid

from tests.go_programs import GoProgram, site_line
from tests.integration.agent.sources.ptrace.targets import tracer, wait_for

StartProgram = Callable[..., GoProgram]
#: Of `shares`, as it names them in its answers.
STATEMENTS = ("half", "third", "seventh", "twentieth")
#: A host that is busy holds hits up, and then a program is left: how often it is tried.
HELD_UP = 10
COMMAND = [str(Path(sys.executable).with_name("gosonde")), "trace", "--source", "ptrace"]


def nothing(_elapsed: float, _trace: Trace) -> None:
    """What is done at each step."""


def rows(trace: Trace) -> dict[int, tuple[int, int]]:
    """(created, exited) by line."""
    return {row.site.line: (row.created, row.exited) for row in trace.sites}


def test_a_program_that_does_little_is_counted_exactly(go_program: StartProgram) -> None:
    program = go_program("churn")
    asked: list[dict[str, Any]] = []

    def ask(_elapsed: float, _trace: Trace) -> None:
        if len(asked) < 5:
            asked.append(program.ask("run 20"))

    for _ in range(HELD_UP):
        asked.clear()
        with trace_pid(program.pid, 2.0, ask, "ptrace") as found:
            assert found.kind is PTRACE
            assert not any(found.losses.values())
        if "held its thread" not in found.left:
            break
    assert found.left == ""
    assert len(asked) == 5
    assert rows(found)[site_line("churn", "spawn")] == (100, 100)
    (site,) = [row.site for row in found.sites if row.site.line == site_line("churn", "spawn")]
    assert site.start_function == "main.work"
    assert tracer(program.pid) == 0
    assert program.ask("run 1000")["exited"] == 1000


def test_a_busy_program_is_counted_in_windows_whose_bounds_hold_the_share_of_each_statement(
    go_program: StartProgram,
) -> None:
    program = go_program("shares")
    program.ask("start alternating 20000")
    with trace_pid(program.pid, 12.0, nothing, "ptrace") as found:
        started = program.ask("stop")["started"]
        assert found.process is not None
        assert not found.process.precise
        assert "except as an estimate" in found.kind.cannot[0]
    every = sum(row.created for row in found.sites if row.site.function in ("main.spawn", ""))
    certain = {row.site.line: row.created for row in found.sites}
    estimated = {row.site.line: row for row in found.estimates}
    for name, number in zip(STATEMENTS, started, strict=True):
        line = site_line("shares", name)
        assert estimated[line].windows >= 3
        low, high = (certain[line] + bound for bound in (estimated[line].created_low, estimated[line].created_high))
        assert low <= every * number / sum(started) <= high
    assert tracer(program.pid) == 0
    assert program.alive()


def test_a_program_that_becomes_busy_is_left_and_that_is_told(go_program: StartProgram) -> None:
    program = go_program("churn")
    sent: list[str] = []

    def send(_elapsed: float, _trace: Trace) -> None:
        if not sent:
            sent.append("run 2000000")
            program.send(sent[0])

    began = time.monotonic()
    with trace_pid(program.pid, 600.0, send, "ptrace") as found:
        assert "more than" in found.left
        assert time.monotonic() - began < 300
    assert program.answer()["exited"] == 2_000_000
    assert tracer(program.pid) == 0


def test_the_command_says_beforehand_what_may_happen_and_from_where_its_numbers_come(go_program: StartProgram) -> None:
    program = go_program("churn")
    done = subprocess.run(
        [*COMMAND, "--pid", str(program.pid), "--duration", "1", "--json"], capture_output=True, text=True, check=True
    )
    assert "killed with -9 at the wrong moment, the program may die with it" in " ".join(done.stderr.split())
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["source"], document["source_left"], document["gc"]) == ("ptrace", "", None)
    assert danger("ptrace")
    assert not danger("memory")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_the_command_takes_the_breakpoints_out(go_program: StartProgram, number: int) -> None:
    program = go_program("churn")
    with subprocess.Popen(
        [*COMMAND, "--pid", str(program.pid), "--duration", "600"], stdout=subprocess.PIPE
    ) as command:
        wait_for(lambda: tracer(program.pid) != 0)
        assert program.ask("run 20")["exited"] == 20
        os.kill(command.pid, number)
    wait_for(lambda: tracer(program.pid) == 0)
    assert program.ask("run 1000")["exited"] == 1000
