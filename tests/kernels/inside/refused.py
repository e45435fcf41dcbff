"""What must hold on a kernel that is too old for the probes: whoever needs them says so, in the same words."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from gosonde.agent_client import AgentClient
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level

from tests.agent_process import AgentProcess, eventually
from tests.collector_process import GOSONDE
from tests.go_programs import GoProgram

Start = Callable[..., GoProgram]
LONG_S = 600.0
TOO_OLD = "is too old"


def test_doctor_says_that_the_kernel_is_too_old() -> None:
    done = subprocess.run([GOSONDE, "doctor", "--json"], capture_output=True, text=True, check=False)
    (kernel,) = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "kernel"]
    assert kernel["status"] == "missing"
    assert TOO_OLD in kernel["found"]


def test_a_trace_by_probes_is_refused_for_the_kernels_age(go_program: Start) -> None:
    program = go_program("churn")
    command = [str(GOSONDE), "trace", "--source", "ebpf", "--pid", str(program.pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert TOO_OLD in " ".join(done.stderr.split())
    assert program.ask("run 10")["exited"] == 10


def test_an_agent_watches_by_memory_and_says_that_it_places_no_probes_for_the_kernels_age(
    go_program: Start, tmp_path: Path
) -> None:
    program = go_program("churn")
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.5\n")
    agent = AgentProcess(tmp_path, "", str(Path(f"/proc/{program.pid}/exe").readlink()))

    def shown() -> tuple[str, list[Level]]:
        try:
            with AgentClient(agent.listen, timeout_seconds=30) as client:
                processes = client.observation(program.pid).processes
                return client.status().no_probes_because, [process.level for process in processes]
        except GosondeError:
            return "", []

    try:
        eventually(lambda: shown()[1] == [Level.MEMORY], LONG_S)
        assert TOO_OLD in shown()[0]
        assert program.ask("run 10")["exited"] == 10
    finally:
        agent.kill()
