"""systemd ends an agent that is silent for too long: whatever others do to it, it is not.

The one limit on a time in these tests is the one that the units promise: see `WatchdogSec`.
"""

import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_common.errors import GosondeError

from tests import go_programs, many_programs
from tests.agent_process import AgentProcess, eventually
from tests.dead_file_system import DeadFileSystem
from tests.go_programs import GoProgram
from tests.intruder import ground
from tests.service_manager import LONGEST_SILENCE_SECONDS, ServiceManager

pytestmark = pytest.mark.usefixtures("ebpf")

WRITTEN_AT_ONCE = 60
STOPPED_WITH = 87
#: TimeoutStopSec of the agent's unit.
STOP_SECONDS = 90.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    with ServiceManager(tmp_path) as manager:
        yield manager


def started(folder: Path, executable: str, manager: ServiceManager, config: str = "") -> AgentProcess:
    (folder / "agent.toml").write_text(config)
    agent = AgentProcess(folder, "", executable, environment=manager.environment)
    eventually(lambda: "agent started" in agent.log.read_text())
    return agent


def watched(agent: AgentProcess) -> int:
    """How many processes it watches now."""
    try:
        with AgentClient(agent.listen, timeout_seconds=60) as client:
            processes = client.observation(None).processes
    except GosondeError:
        return -1
    return sum(not process.refusal and not process.ended_unix_nano for process in processes)


def test_a_user_who_writes_to_many_probed_files_does_not_silence_the_agent(
    tmp_path: Path, manager: ServiceManager
) -> None:
    with many_programs.copies(WRITTEN_AT_ONCE) as paths:
        agent = started(tmp_path, f"{paths[0].parent}/*", manager)
        try:
            with many_programs.running(paths):
                eventually(lambda: watched(agent) == len(paths), seconds=300)
            eventually(lambda: watched(agent) == 0)
            began = time.monotonic()
            many_programs.ask_to_write(paths)
            many_programs.write(paths)
            assert manager.longest_silence(began) < LONGEST_SILENCE_SECONDS
        finally:
            agent.kill()


def refusal(agent: AgentProcess, pid: int) -> str:
    """Why it does not watch a process; empty when it does, or does not know it."""
    try:
        with AgentClient(agent.listen, timeout_seconds=60) as client:
            return client.observation(pid).processes[0].refusal
    except GosondeError:
        return ""


def test_a_file_system_that_does_not_answer_costs_its_own_process_alone(
    tmp_path: Path, manager: ServiceManager
) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    other = go_programs.build("churn")
    with DeadFileSystem(mount, other.read_bytes()) as dead, GoProgram(dead.program) as held_up:
        dead.answers.clear()
        agent = started(tmp_path, "*", manager, f'allow = ["exe:{dead.program}", "exe:{other}"]\n')
        try:
            with GoProgram(other) as program:
                eventually(lambda: agent.counted(program.pid) >= 0)
                eventually(lambda: "does not answer" in refusal(agent, held_up.pid))
                assert manager.longest_silence() < LONGEST_SILENCE_SECONDS
                dead.answers.set()
                eventually(lambda: agent.counted(held_up.pid) >= 0)
        finally:
            dead.answers.set()  # without an answer a process of it cannot even end
            agent.kill()


@pytest.mark.parametrize(("processes", "times"), [(1, 140_000), (2_000, 70)])
def test_a_user_who_makes_up_go_statements_does_not_silence_the_agent(
    tmp_path: Path, manager: ServiceManager, processes: int, times: int
) -> None:
    with ground(go_programs.build("churn")) as place:
        agent = started(tmp_path, str(place.program), manager)
        try:
            with GoProgram(place.program) as program:
                eventually(lambda: agent.counted(program.pid) >= 0)
                with place.intruding("created", processes, times):
                    program.ask("run 500")
                    eventually(lambda: agent.counted(program.pid) >= 500)
                assert manager.longest_silence() < LONGEST_SILENCE_SECONDS
        finally:
            agent.kill()


def test_more_programs_than_a_user_may_have_probed_are_refused_until_there_is_room(
    tmp_path: Path, manager: ServiceManager
) -> None:
    with many_programs.copies(6) as paths:
        agent = started(tmp_path, f"{paths[0].parent}/*", manager, "max_probed_files = 32\n")
        try:
            with many_programs.running(paths[:4]):
                eventually(lambda: watched(agent) == 4)
                with many_programs.running(paths[4:5]) as (further,):
                    eventually(lambda: "max_probed_files" in refusal(agent, further.pid))
                    with GoProgram(go_programs.build("churn")) as roots:
                        eventually(lambda: refusal(agent, roots.pid) == "")
            with many_programs.running(paths[4:]):
                eventually(lambda: watched(agent) == 2)
            assert manager.longest_silence() < LONGEST_SILENCE_SECONDS
        finally:
            agent.kill()


def test_an_agent_that_is_told_to_stop_says_how_many_programs_are_left_and_ends_in_order(
    tmp_path: Path, manager: ServiceManager
) -> None:
    with many_programs.copies(STOPPED_WITH) as paths:
        agent = started(tmp_path, f"{paths[0].parent}/*", manager, f"max_probed_files = {8 * STOPPED_WITH}\n")
        try:
            with many_programs.running(paths):
                eventually(lambda: watched(agent) == len(paths), seconds=300)
                agent.process.terminate()
                assert agent.process.wait(STOP_SECONDS) == 0
            said = agent.log.read_text()
            assert re.search(r'"programs_left": [1-9]', said)
            assert "agent stopped" in said
        finally:
            agent.kill()


def test_a_second_ctrl_c_ends_the_agent_at_once(tmp_path: Path, manager: ServiceManager) -> None:
    with many_programs.copies(4) as paths:
        # A collector that takes nothing: an agent in order waits a while for it.
        silent = socket.create_server(("127.0.0.1", 0))
        (tmp_path / "agent.toml").write_text("")
        collector = f"127.0.0.1:{silent.getsockname()[1]}"
        agent = AgentProcess(tmp_path, collector, f"{paths[0].parent}/*", environment=manager.environment)
        try:
            with silent, many_programs.running(paths):
                eventually(lambda: watched(agent) == len(paths))
                agent.process.send_signal(signal.SIGINT)
                eventually(lambda: "agent stopping" in agent.log.read_text())
                agent.process.send_signal(signal.SIGINT)
                assert agent.process.wait(STOP_SECONDS) == -signal.SIGINT
            assert "agent stopped" not in agent.log.read_text()
        finally:
            agent.kill()


def test_a_user_who_starts_programs_without_end_does_not_silence_the_agent(
    tmp_path: Path, manager: ServiceManager
) -> None:
    with many_programs.copies(4) as paths:
        agent = started(tmp_path, f"{paths[0].parent}/*", manager)
        try:
            began = time.monotonic()
            many_programs.start_and_end(paths, 200)
            with many_programs.running(paths):
                eventually(lambda: watched(agent) == len(paths), seconds=300)
            assert manager.longest_silence(began) < LONGEST_SILENCE_SECONDS
        finally:
            agent.kill()
