"""Somebody starts short Go programs as fast as a shell can: all others stay counted right, and answers small."""

import subprocess
import time
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_common.values.observation import Observation

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")

STORM = 2_000
#: Rows of programs that an observation happened to see run, beside the long-lived ones and the sums of two files.
CAUGHT = 50


def test_others_stay_counted_right_in_small_answers(tmp_path: Path) -> None:
    short, churn = go_programs.build("short"), go_programs.build("churn")
    (tmp_path / "agent.toml").write_text('max_target_overhead = "off"\n')
    agent = AgentProcess(tmp_path, f"unix:{tmp_path}/none.sock", f"{short.parent.parent}/*")
    rows: list[int] = []

    def asked() -> Observation:
        with AgentClient(agent.listen, timeout_seconds=60) as client:
            observation = client.observation()
        rows.append(len(observation.processes))
        return observation

    try:
        with GoProgram(churn) as program:
            eventually(lambda: agent.counted(program.pid) >= 0)
            script = f'for i in $(seq {STORM}); do "$0" 3 </dev/null >/dev/null; done'
            storm = subprocess.Popen(["sh", "-c", script, str(short)])
            created = 0
            while storm.poll() is None:
                program.ask("run 100")
                created += 100
                asked()
                time.sleep(0.1)
            eventually(lambda: agent.counted(program.pid) == created, 120)
            eventually(lambda: sum(process.sums for process in asked().processes) > STORM / 2, 120)
            assert max(rows) <= CAUGHT
            assert asked().interval_ns == 1_000_000_000
    finally:
        agent.kill()
