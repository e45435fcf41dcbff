"""What must hold on a kernel that gosonde supports, beside the tests of the agent that run there as well."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests import go_programs, program_text
from tests.agent_process import AgentProcess, eventually
from tests.collector_process import GOSONDE, CollectorProcess, totals_of_all_runs
from tests.go_programs import GoProgram, site_line

Start = Callable[..., GoProgram]
LONG_S = 600.0
#: On the creation and the exit of a goroutine, on a stop-the-world pause, its end, and mark termination.
PROBES = 5


def test_doctor_says_that_the_host_is_ready() -> None:
    done = subprocess.run([GOSONDE, "doctor", "--json"], capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    missing = [check for check in document["checks"] if check["status"] == "missing"]
    assert (document["level"], missing) == ("full", [])


def test_a_trace_counts_each_goroutine_and_each_gc_cycle(go_program: Start) -> None:
    program = go_program("churn", env={"GOGC": "off"})
    command = [str(GOSONDE), "trace", "--source", "ebpf", "--json", "--pid", str(program.pid), "--duration", "60m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trace, ExitStack() as stack:
        stack.callback(trace.kill)
        eventually(lambda: links(trace.pid) >= PROBES, LONG_S)
        program.ask("run 20000")
        program.ask("gc 10")
        trace.send_signal(signal.SIGINT)
        document = json.loads(trace.communicate()[0])
    (site,) = [site for site in document["sites"] if site["line"] == site_line("churn", "spawn")]
    assert (site["created"], site["exited"]) == (20_000, 20_000)
    assert document["gc"]["cycles"] == 10
    assert not any(document["lost"].values())


def links(pid: int) -> int:
    """How many probes a process has attached: links, whose kinds the kernel names."""
    found = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            found += "link_type" in info.read_text()
    return found


def test_an_agent_delivers_exact_totals_to_a_collector(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('interval_seconds = 0.5\nmax_target_overhead = "off"\n')
    executable = go_programs.build("churn")
    with CollectorProcess(tmp_path) as collector, GoProgram(executable) as program:
        agent = AgentProcess(tmp_path, collector.address, str(executable))
        try:
            eventually(lambda: agent.has_ended() or len(program_text.changed(program.pid)) >= PROBES, LONG_S)
            assert not agent.has_ended(), agent.log.read_text()
            program.ask("run 7000")
            # The main goroutine is one of them.
            eventually(lambda: totals_of_all_runs(collector.address).get(str(program.pid)) == [7_000, 7_000], LONG_S)
        finally:
            agent.kill()
