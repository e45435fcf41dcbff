"""A trace says where its numbers come from, and gives what that source can see."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.tracing import trace_exe, trace_pid
from gosonde_common.errors import GosondeError

from tests import go_programs
from tests.go_programs import GoProgram, site_line

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).with_name("gosonde"))


def nothing(_elapsed: float, _so_far: Trace) -> None:
    pass


def live_at(trace: Trace, function: str, line: int) -> int:
    own = [row for row in trace.sites if (row.site.function, row.site.line) == (function, line)]
    return sum(row.baseline + row.created - row.exited for row in own)


def test_by_memory_alone_a_trace_has_the_live_goroutines_of_each_statement(go_program: Start) -> None:
    program = go_program("parked", "40")
    with trace_pid(program.pid, 0.3, nothing, "memory") as seen:
        assert live_at(seen, "main.main", site_line("parked", "idle")) == 40
    assert seen.kind.name == "memory"
    assert seen.why == "asked for with --source"
    assert seen.process is not None
    assert not seen.process.precise


def test_by_memory_alone_a_program_is_found_by_its_file(go_program: Start) -> None:
    program = go_program("parked", "40")
    with trace_exe(str(go_programs.build("parked")), 0.3, nothing, "memory") as seen:
        assert live_at(seen, "main.main", site_line("parked", "idle")) == 40
    assert seen.process is not None
    assert seen.process.key.pid == program.pid


def test_by_memory_alone_a_command_is_watched_and_the_document_says_what_it_does_not_see() -> None:
    options = ["--source", "memory", "--duration", "1", "--json"]
    command = [GOSONDE, "trace", *options, "--", str(go_programs.build("parked")), "40"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as trace:
        assert trace.stdout is not None
        assert json.loads(trace.stdout.readline())["ready"]
        document = json.loads(trace.stdout.read())
    assert document["source"] == "memory"
    assert document["source_because"] == "asked for with --source"
    assert any("stop-the-world" in what for what in document["source_cannot"])
    assert document["gc"] is None
    line = site_line("parked", "idle")
    assert sum(site["live"] for site in document["sites"] if site["line"] == line) == 40


def test_a_file_that_nobody_runs_is_waited_for_and_then_said_to_have_no_process() -> None:
    with (
        pytest.raises(GosondeError, match="no process ran the program"),
        trace_exe(str(go_programs.build("forks")), 0.05, nothing, "memory"),
    ):
        pass


def traced_in(namespace: tuple[str, ...], source: str, pid: int) -> "subprocess.CompletedProcess[str]":
    """What a trace in a namespace of its own says."""
    command = (*namespace, GOSONDE, "trace", "--source", source, "--pid", str(pid), "--duration", "0.1")
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_where_the_kernel_has_no_uprobes_for_perf_events_it_says_so(go_program: Start) -> None:
    hide = 'mount -t tmpfs none /sys/bus/event_source/devices && exec "$@"'
    done = traced_in(("unshare", "--mount", "sh", "-c", hide, "sh"), "perf-uprobes", go_program("parked", "3").pid)
    assert done.returncode == 3
    assert done.stderr.startswith("gosonde: the kernel offers no uprobes through perf: ")


@pytest.mark.parametrize("source", ["perf-breakpoints", "perf-uprobes", "ptrace"])
def test_where_proc_is_of_another_pid_namespace_no_other_process_is_taken_for_the_one_that_is_asked_for(
    go_program: Start, source: str
) -> None:
    program = go_program("parked", "3")
    done = traced_in(("unshare", "--pid", "--fork"), source, program.pid)
    assert done.returncode == 3, done.stderr
    assert "gosonde: /proc is of another pid namespace: the pid of this process is " in done.stderr
    assert program.alive()


def test_where_proc_is_of_another_pid_namespace_no_process_is_stopped(go_program: Start) -> None:
    program = go_program("parked", "3")
    command = ["unshare", "--pid", "--fork", GOSONDE, "goroutines", "--stop", str(program.pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "gosonde: /proc is of another pid namespace: the pid of this process is " in done.stderr
