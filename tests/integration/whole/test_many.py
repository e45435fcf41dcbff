"""Many processes at once: each is counted exactly. `make test-attacks` sets GOSONDE_ATTACKS=full: 1,000 of them."""

import os
import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_common.errors import GosondeError

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram

FULL = os.environ.get("GOSONDE_ATTACKS") == "full"
PROCESSES = 1_000 if FULL else 40
EACH = 20
pytestmark = [pytest.mark.usefixtures("ebpf"), pytest.mark.timeout(1800 if FULL else 240)]


def exited(agent: AgentProcess) -> Counter[int]:
    """By pid, what it has counted of each process's one busy statement; nothing while it does not answer."""
    try:
        with AgentClient(agent.listen, timeout_seconds=60) as client:
            rows = client.observation().site_counts
    except GosondeError:
        return Counter()
    found: Counter[int] = Counter()
    for row in rows:
        if row.site.function == "main.spawn":
            found[row.process.pid] += row.exited
    return found


def watched(agent: AgentProcess) -> set[int]:
    """The pids of the processes that it counts now: what a process does before that, nobody has seen."""
    try:
        with AgentClient(agent.listen, timeout_seconds=60) as client:
            return {process.key.pid for process in client.observation().processes if not process.refusal}
    except GosondeError:
        return set()


def test_each_of_many_processes_is_counted_exactly(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('max_target_overhead = "off"\n')
    executable = Path(shutil.copy(go_programs.build("churn"), tmp_path))
    agent = AgentProcess(tmp_path, "", str(executable))
    try:
        eventually(lambda: "agent started" in agent.log.read_text())
        with ExitStack() as running:
            programs = [running.enter_context(GoProgram(executable)) for _ in range(PROCESSES)]
            pids = {program.pid for program in programs}
            eventually(lambda: watched(agent) == pids, 300)
            for program in programs:
                program.ask(f"run {EACH}")
            expected = Counter(dict.fromkeys(pids, EACH))
            eventually(lambda: exited(agent) == expected, 300)
    finally:
        agent.kill()
