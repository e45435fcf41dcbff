"""Whatever is killed, cut or filled up: afterwards the store equals what the targets themselves counted.

`make test-faults` sets GOSONDE_FAULTS=full: 100 kills of each service and a network that is away for minutes.
"""

import asyncio
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde.errors import GosondeError

from tests.collector_process import GOSONDE, CollectorProcess
from tests.flaky_proxy import flaky_proxy
from tests.go_programs import GoProgram
from tests.simulated import Agent, Query, Target, assert_exact, running, settled, stored

FULL = os.environ.get("GOSONDE_FAULTS") == "full"
KILLS = 100 if FULL else 4
CUT_SECONDS = 150.0 if FULL else 2.0
# What piles up while the collector is mostly dead takes its time to arrive.
INTERVAL_SECONDS = 0.25 if FULL else 0.05
SETTLE_SECONDS = 600.0 if FULL else 120.0
HARM_SECONDS = 120.0 if FULL else 5.0
pytestmark = pytest.mark.timeout(3600 if FULL else 240)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fleet(address: str, agents: int = 5) -> list[Agent]:
    targets = [[Target(pid, 20) for pid in (1, 2, 3)] for _ in range(agents)]
    return [Agent(number, [address], targets[number], INTERVAL_SECONDS) for number in range(agents)]


async def test_a_collector_that_is_killed_at_random_moments_under_load_loses_nothing(tmp_path: Path) -> None:
    rng = random.Random(6)
    listen = f"127.0.0.1:{free_port()}"
    agents = fleet(listen)
    async with running(agents) as over:
        for _ in range(KILLS):
            with await asyncio.to_thread(CollectorProcess, tmp_path, listen=listen):
                await asyncio.sleep(rng.uniform(0, 1.5))
        with await asyncio.to_thread(CollectorProcess, tmp_path, listen=listen):
            over.set()
            await settled(agents, SETTLE_SECONDS)
            await assert_exact(Query(listen), agents)


async def test_a_network_that_is_away_for_long_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    with await asyncio.to_thread(CollectorProcess, tmp_path, listen=f"127.0.0.1:{port}"):
        async with flaky_proxy(port) as proxy:
            agents = fleet(proxy.address)
            async with running(agents) as over:
                await asyncio.sleep(1)
                proxy.cut.set()
                await asyncio.sleep(CUT_SECONDS)
                proxy.hang_up()
                proxy.cut.clear()
                over.set()
                await settled(agents, SETTLE_SECONDS)
                await assert_exact(Query(f"127.0.0.1:{port}"), agents)


class AgentProcess:
    """`gosonde agent` with its own state folder, killed at the end."""

    def __init__(self, folder: Path, collector: str, executable: str) -> None:
        self.listen = f"unix:{folder}/agent.sock"
        command: list[str | Path] = [GOSONDE, "agent", "--config", folder / "agent.toml", "--state", folder / "state"]
        command += ["--listen", self.listen, "--collector", collector, "--exe", executable]
        with (folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def counted(self, pid: int) -> int:
        """Exits that it has seen of the process; -1 while it does not answer."""
        try:
            with AgentClient(self.listen, timeout_seconds=1) as client:
                rows = client.observation(pid).site_counts
        except GosondeError:
            return -1
        return sum(row.exited for row in rows if row.site.function == "main.spawn")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.02)


@pytest.mark.usefixtures("ebpf")
def test_an_agent_that_is_killed_at_random_moments_loses_nothing_that_it_saw(
    tmp_path: Path, go_program: Callable[..., GoProgram]
) -> None:
    """The collector is away half of the time, so that what is killed had not been sent."""
    rng = random.Random(7)
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\n")
    listen = f"unix:{tmp_path}/collector.sock"
    program = go_program("churn")
    executable = str(Path(f"/proc/{program.pid}/exe").readlink())
    total = 0
    for number in range(KILLS):
        collector = CollectorProcess(tmp_path, listen=listen) if number % 2 else None
        agent = AgentProcess(tmp_path, listen, executable)
        try:
            eventually(lambda agent=agent: agent.counted(program.pid) >= 0)  # type: ignore[misc]
            goroutines = rng.randrange(1, 5_000)
            assert program.ask(f"run {goroutines}")["exited"] == goroutines
            total += goroutines
            eventually(lambda agent=agent, n=goroutines: agent.counted(program.pid) == n)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 0.5))
        finally:
            agent.kill()
            if collector:
                collector.stop(signal.SIGKILL)
    with CollectorProcess(tmp_path, listen=listen):
        agent = AgentProcess(tmp_path, listen, executable)
        try:
            eventually(lambda: spawned(listen, program.pid) == (total, total))
        finally:
            agent.kill()


def spawned(address: str, pid: int) -> tuple[int, int]:
    """What all runs of the agent counted of the process's one busy site."""
    sums = asyncio.run(stored(Query(address), all_runs=True))
    rows = [value for (_, owner, _), value in sums.items() if owner == pid]
    return max(rows, default=(0, 0))
