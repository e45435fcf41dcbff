"""An agent that may place no probes starts all the same, finds leaks by memory alone, and says what is missing."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde.collector_client import CollectorClient, Finding
from gosonde_common.errors import GosondeError, UnsupportedError
from gosonde_common.values.levels import Level, Reason
from gosonde_common.values.observation import Process

from tests.agent_process import AgentProcess, eventually, free_port
from tests.collector_process import GOSONDE, CollectorProcess
from tests.go_programs import GoProgram, build, site_line

LEAK, EXECER = "leak", "execer"
LONG_S = 180.0

pytestmark = pytest.mark.timeout(900)

#: The kernel refuses bpf(2) as it does in lockdown, or in a container without leave for it.
WITHOUT_BPF = """
import os, sys
from gosonde_agent.host import seccomp
seccomp.install(seccomp.Filter(listed=("bpf",), denies=True))
os.execv(sys.argv[1], sys.argv[1:])
"""


def without(*capabilities: str) -> tuple[str, ...]:
    """What makes a command run without some capabilities."""
    return "setpriv", "--inh-caps=-all", f"--bounding-set={','.join(f'-{name}' for name in capabilities)}"


def only(*capabilities: str) -> tuple[str, ...]:
    """What makes a command run with these capabilities alone."""
    return "setpriv", "--inh-caps=-all", f"--bounding-set=-all,{','.join(f'+{name}' for name in capabilities)}"


WAYS = {
    "no-cap-bpf": without("bpf", "perfmon", "sys_admin"),
    "bpf-is-forbidden": (sys.executable, "-c", WITHOUT_BPF),
    "cap-sys-ptrace-alone": only("sys_ptrace"),
}
#: `make test-sources` tries every way, and CI one.
TRIED = [way for way in WAYS if os.environ.get("GOSONDE_SOURCES") == "full" or way == "cap-sys-ptrace-alone"]


@dataclass
class Watched:
    """A collector, and an agent that may place no probes."""

    collector: CollectorProcess
    agent: AgentProcess
    client: CollectorClient
    http: str

    def shown(self, pid: int) -> Process | None:
        """What the agent says of a process that runs."""
        try:
            with AgentClient(self.agent.listen, timeout_seconds=10) as client:
                found = client.observation(pid).processes
        except GosondeError:
            return None
        return next((process for process in found if not process.ended_unix_nano), None)

    def because(self) -> str:
        """Why it may place no probes, as the agent says."""
        with AgentClient(self.agent.listen, timeout_seconds=10) as client:
            return client.status().no_probes_because

    def findings(self) -> list[Finding]:
        return [found for found in self.client.findings() if found.state in {"opened", "growing"}]


def own(folder: Path, name: str) -> Path:
    """A copy of a program, which no other test runs."""
    (folder / "bin").mkdir(exist_ok=True)
    return Path(shutil.copy(build(name), folder / "bin"))


@contextmanager
def watching(folder: Path, prefix: Sequence[str]) -> Iterator[Watched]:
    http = f"127.0.0.1:{free_port()}"
    (folder / "agent.toml").write_text(f'interval_seconds = 0.5\nhttp = "{http}"\n')
    with CollectorProcess(folder) as collector, CollectorClient(collector.address) as client:
        program: Sequence[str | Path] = (*prefix, GOSONDE)
        agent = AgentProcess(folder, collector.address, f"{folder}/bin/*", program, compiles=True)
        try:
            yield Watched(collector, agent, client, http)
        finally:
            agent.kill()


@pytest.mark.parametrize("way", TRIED)
def test_a_leak_is_found_by_memory_alone_and_the_finding_says_that_nothing_is_counted(way: str, tmp_path: Path) -> None:
    with watching(tmp_path, WAYS[way]) as watched, GoProgram(own(tmp_path, LEAK), "50") as program:
        eventually(lambda: watched.shown(program.pid) is not None, LONG_S)
        eventually(lambda: any(found.growth_per_second > 0 for found in watched.findings()), LONG_S)
        process = watched.shown(program.pid)
        assert process is not None
        assert (process.level, process.refusal) == (Level.MEMORY, "")
        assert [step.reason for step in process.steps] == [Reason.NO_PROBES]
        (finding,) = watched.findings()
        assert finding.site.line == site_line(LEAK, "leak")
        assert finding.witnesses["events"] == "silent"
        said = finding.details
        assert said["events"].startswith("nothing is counted: the agent may place no probes on this host")
        assert f"({watched.because()}); readings of memory show: in the last " in said["events"]
        assert abs(finding.growth_per_second - 50) < 25


def test_status_metrics_and_tables_say_that_there_are_no_probes_and_why(tmp_path: Path) -> None:
    with watching(tmp_path, WAYS["bpf-is-forbidden"]) as watched, GoProgram(own(tmp_path, LEAK), "1") as program:
        eventually(lambda: watched.shown(program.pid) is not None, LONG_S)
        with (
            AgentClient(watched.agent.listen) as client,
            pytest.raises(UnsupportedError, match="may place no probes"),
        ):
            client.switch_probes(None, on=False)
        because = watched.because()
        assert because.startswith("the agent may not use BPF: Operation not permitted")
        with urllib.request.urlopen(f"http://{watched.http}/metrics", timeout=10) as answer:
            assert "gosonde_agent_without_probes 1.0" in answer.read().decode()
        with watched.collector.client() as collector:
            eventually(lambda: any(row.runtime_figures for row in collector.processes(pid=program.pid)), LONG_S)
        asked: list[str | Path] = [GOSONDE, "processes", "--collector", watched.collector.address]
        table = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        assert "memory (no probes)" in " ".join(table.split())
        assert " ".join(table.split()).count(f"host {socket.gethostname()}: no probes: {because}") == 1
        rows = json.loads(subprocess.run([*asked, "--json"], check=True, capture_output=True).stdout)
        assert {(row["source"], row["no_probes_because"]) for row in rows} == {("memory", because)}
        (figures,) = (row["runtime_figures"] for row in rows if row["pid"] == program.pid)
        assert figures["gogc_percent"] == 100
        assert figures["goroutines"] > 0
        assert because in watched.agent.log.read_text()


def test_programs_that_begin_and_end_and_run_another_program_are_seen(tmp_path: Path) -> None:
    other = str(own(tmp_path, LEAK))
    with watching(tmp_path, WAYS["bpf-is-forbidden"]) as watched:
        with GoProgram(own(tmp_path, EXECER), "1", other, "1") as program:
            eventually(lambda: watched.shown(program.pid) is not None, LONG_S)
            first = watched.shown(program.pid)
            program.ask("exec")
            program.answer()  # of the other program, which says that it is ready
            eventually(lambda: is_exec(watched.shown(program.pid), other), LONG_S)
            second = watched.shown(program.pid)
            assert first is not None
            assert second is not None
            assert first.key.exec_epoch < second.key.exec_epoch
        eventually(lambda: watched.shown(program.pid) is None, LONG_S)


def is_exec(process: Process | None, path: str) -> bool:
    """Whether a process runs a file."""
    return process is not None and process.exe == path
