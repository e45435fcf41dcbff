"""What uprobes of perf events count without BPF equals what the programs themselves count."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.host.sampling_events import online_cpus

from tests.agent_process import eventually
from tests.go_programs import GoProgram
from tests.integration.agent.sources.perf.traced import RUNS, check_counts_in_a_storm, has_opened, trace_while

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
SOURCE = "perf-uprobes"
#: Each is two samples of 64 bytes; a ring has 4 MiB.
GOROUTINES = 60_000


@pytest.mark.parametrize("version", ["1.21.13", "1.27.3"])
def test_every_goroutine_is_counted_by_its_statement(go_program: Start, version: str) -> None:
    traced = trace_while(go_program("churn", version=version), "run 3000", SOURCE)
    assert traced.counts("main.spawn") == (3_000, 3_000)
    assert not traced.lost


def test_another_process_of_the_file_is_not_counted_and_is_no_loss(go_program: Start) -> None:
    program, other = go_program("churn", buildmode="pie"), go_program("churn", buildmode="pie")
    asked: list[dict[str, object]] = []

    def use_the_other() -> None:
        if not asked:
            asked.append(other.ask("run 500"))

    traced = trace_while(program, "run 1000", SOURCE, use_the_other)
    assert asked
    assert traced.counts("main.spawn") == (1_000, 1_000)
    assert not traced.lost


@pytest.mark.parametrize("run", range(RUNS))
def test_a_profile_and_threads_and_children_and_stops_disturb_no_count_and_no_exits_statement(
    go_program: Start, run: int
) -> None:
    check_counts_in_a_storm(go_program("stormy"), SOURCE, 3_000 + run)


def test_samples_that_a_full_ring_has_lost_are_said_and_totals_are_exact_all_the_same(go_program: Start) -> None:
    program, cpus = go_program("churn"), online_cpus()
    for thread in Path(f"/proc/{program.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {cpus[0]})
    command = [GOSONDE, "trace", "--source", SOURCE, "--pid", str(program.pid), "--duration", "10", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as trace:
        # Two instructions and a ring on each CPU; nobody takes samples out while the one who does is stopped.
        eventually(lambda: has_opened(trace.pid, 3 * len(cpus)), 120)
        os.kill(trace.pid, signal.SIGSTOP)
        program.ask(f"run {GOROUTINES}")
        os.kill(trace.pid, signal.SIGCONT)
        assert trace.stdout is not None
        document = json.loads(trace.stdout.read())
    assert (document["totals"]["created"], document["totals"]["exited"]) == (GOROUTINES, GOROUTINES)
    without = next(site for site in document["sites"] if not site["function"])
    lost = document["lost"]["samples_lost"]
    assert lost > 0
    assert without["created"] + without["exited"] == lost + document["lost"]["exits_unplaced"]
