"""Probes come and go under a program that checks its own results, and each time its code is again what its file says.

`make test-attacks` sets GOSONDE_ATTACKS=full: 200 times in order, and 100 deaths of the agent or its helper.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level

from tests import go_programs, program_text
from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram
from tests.integration.watching import watching

FULL = os.environ.get("GOSONDE_ATTACKS") == "full"
CYCLES = 200 if FULL else 5
KILLS = 100 if FULL else 4
pytestmark = [pytest.mark.usefixtures("ebpf"), pytest.mark.timeout(3600 if FULL else 240)]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[GoProgram]:
    """A program that nobody else has probes in, for its file is a copy."""
    with GoProgram(Path(shutil.copy(go_programs.build("load"), tmp_path))) as program:
        yield program


def more_rounds(program: GoProgram, number: int = 3) -> None:
    """Waits until the program has done some more of its work."""
    before = program.ask("status")["rounds"]
    eventually(lambda: program.ask("status")["rounds"] >= before + number)


def clean_again(program: GoProgram) -> None:
    """Waits until its code is what its file says, and it has worked with that."""
    eventually(lambda: not program_text.changed(program.pid))
    more_rounds(program)
    assert program.ask("status")["right"]


def counted_in_full(agent: AgentProcess, pid: int) -> bool:
    """Whether it counts the program's goroutines with all probes there."""
    try:
        with AgentClient(agent.listen, timeout_seconds=5) as client:
            seen = client.observation(pid)
    except GosondeError:
        return False
    created = sum(row.created for row in seen.site_counts if row.site.function == "main.sieve")
    return created > 0 and seen.processes[0].level is Level.FULL


def test_code_is_as_in_the_file_after_each_of_many_attachments(program: GoProgram) -> None:
    for _ in range(CYCLES):
        with watching(pid=program.pid) as watch:
            assert program_text.changed(program.pid), "no probe is in the code"
            more_rounds(program)
            watch.observe()
            assert watch.counts(program.pid, "main.sieve")[0] > 0
            assert watch.process(program.pid).level is Level.FULL
        clean_again(program)
    assert program.ask("stop")["right"]


def test_code_is_as_in_the_file_after_each_of_many_deaths_of_agent_or_helper(
    tmp_path: Path, program: GoProgram
) -> None:
    rng = random.Random(9)
    (tmp_path / "agent.toml").write_text('interval_seconds = 0.1\nmax_target_overhead = "off"\n')
    executable = str(Path(f"/proc/{program.pid}/exe").readlink())
    for number in range(KILLS):
        agent = AgentProcess(tmp_path, "", executable)
        try:
            eventually(lambda agent=agent: counted_in_full(agent, program.pid))  # type: ignore[misc]
            assert program_text.changed(program.pid), "no probe is in the code"
            time.sleep(rng.uniform(0, 0.3))
            os.kill(agent.helper() if number % 2 else agent.process.pid, signal.SIGKILL)
            assert agent.process.wait(60) == (1 if number % 2 else -signal.SIGKILL)
        finally:
            agent.kill()
        clean_again(program)
    assert program.ask("stop")["right"]
