"""Whatever is killed, cut or filled up: afterwards the store equals what the targets themselves counted.

`make test-faults` sets GOSONDE_FAULTS=full: 100 kills of each service and a network that is away for minutes.
"""

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
from gosonde_pb.v1 import collector_pb2
from gosonde_pb.v1.collector_pb2_grpc import CollectorServiceStub

from tests.agent_process import AgentProcess, eventually, free_port
from tests.collector_process import CollectorProcess
from tests.flaky_proxy import flaky_proxy
from tests.go_programs import GoProgram
from tests.simulated import Agent, Query, Target, assert_exact, running, settled, stored

FULL = os.environ.get("GOSONDE_FAULTS") == "full"
KILLS = 100 if FULL else 4
KILLS_AT_WORK = 100 if FULL else 2
CUT_SECONDS = 150.0 if FULL else 2.0
# What piles up while the collector is mostly dead takes its time to arrive.
INTERVAL_SECONDS = 0.25 if FULL else 0.05
SETTLE_SECONDS = 600.0 if FULL else 120.0
HARM_SECONDS = 120.0 if FULL else 5.0
pytestmark = pytest.mark.timeout(3600 if FULL else 240)


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


@pytest.mark.minutes
async def test_a_silent_line_is_kept_alive_by_pings_and_its_end_is_noticed(tmp_path: Path) -> None:
    """Nothing is observed, so that nothing but pings passes; then nothing passes at all, and nobody says so."""
    port = free_port()
    with await asyncio.to_thread(CollectorProcess, tmp_path, listen=f"127.0.0.1:{port}") as collector:
        async with flaky_proxy(port) as proxy:
            (agent,) = fleet(proxy.address, 1)
            async with running([agent]) as over:
                over.set()
                await settled([agent], SETTLE_SECONDS)
                await asyncio.sleep(2)
                before = list(proxy.passed)
                await asyncio.sleep(100)
                pings = [after - first for first, after in zip(before, proxy.passed, strict=True)]
                assert all(0 < passed < 2_000 for passed in pings), pings
                assert agent.uplink.status().connected
                proxy.cut.set()
                async with asyncio.timeout(90):
                    while agent.uplink.status().connected:
                        await asyncio.sleep(0.5)
        assert collector.log.read_text().count("agent connected") == 1


@pytest.mark.usefixtures("ebpf")
def test_an_agent_that_is_killed_at_random_moments_loses_nothing_that_it_saw(
    tmp_path: Path, go_program: Callable[..., GoProgram]
) -> None:
    """The collector is away half of the time, so that what is killed had not been sent."""
    rng = random.Random(7)
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\nmax_target_overhead = 100\n")
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


@dataclass
class Work:
    """Goroutines that a program creates and lets end in a thread, for as long as the block lasts.

    Attributes:
        created: How many it created, over all blocks; right outside of them.
        exited: How many of them ended.
    """

    program: GoProgram
    rng: random.Random
    created: int = 0
    exited: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        self.over.clear()
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(self._work)
            try:
                yield
            finally:
                self.over.set()
                done.result()

    def _work(self) -> None:
        while not self.over.is_set():
            more, fewer = self.rng.randrange(1, 2_000), self.rng.randrange(0, 1_000)
            self.program.ask(f"more {more}")
            self.created += more
            fewer = min(fewer, self.created - self.exited)
            self.program.ask(f"fewer {fewer}")
            self.exited += fewer


@pytest.mark.usefixtures("ebpf")
def test_after_an_agent_was_killed_in_the_middle_of_work_the_store_has_exactly_what_lives(
    tmp_path: Path, go_program: Callable[..., GoProgram]
) -> None:
    """What nobody counted is not in `created` and `exited`; it is in `live`, because the next run reads the memory."""
    rng = random.Random(8)
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\nmax_target_overhead = 100\n")
    work = Work(go_program("parked", "0"), rng)
    pid = work.program.pid
    executable = str(Path(f"/proc/{pid}/exe").readlink())
    shown = np.zeros(2, np.int64)
    with CollectorProcess(tmp_path) as collector, collector.client() as client:

        def live() -> list[int]:
            return [row.live for row in client.sites() if (row.process.pid, row.function) == (pid, "main.more")]

        for run in range(KILLS_AT_WORK):
            agent = AgentProcess(tmp_path, collector.address, executable)
            try:
                eventually(lambda run=run: runs_of(collector.address, pid) > run)  # type: ignore[misc]
                eventually(lambda: sum(live()) == work.created - work.exited)
                with work.going_on():
                    time.sleep(rng.uniform(0, 0.5))
                    shown += agent.shown(pid, "main.more")
                    agent.kill()
            finally:
                agent.kill()
        agent = AgentProcess(tmp_path, collector.address, executable)
        try:
            eventually(lambda: runs_of(collector.address, pid) > KILLS_AT_WORK)
            eventually(lambda: sum(live()) == work.created - work.exited)
        finally:
            agent.kill()
        sums = asyncio.run(stored(Query(collector.address), all_runs=True))
        created, exited = max(value for (_, owner, _), value in sums.items() if owner == pid)
    assert shown[0] <= created <= work.created
    assert shown[1] <= exited <= work.exited


def runs_of(address: str, pid: int) -> int:
    """How many runs of the agent reported the process to the collector."""
    with grpc.insecure_channel(address) as channel:
        which = collector_pb2.ProcessFilter(pid=pid, all_runs=True)
        return len(CollectorServiceStub(channel).ListProcesses(collector_pb2.ListProcessesRequest(filter=which)).rows)


def spawned(address: str, pid: int) -> tuple[int, int]:
    """What all runs of the agent counted of the process's one busy site."""
    sums = asyncio.run(stored(Query(address), all_runs=True))
    rows = [value for (_, owner, _), value in sums.items() if owner == pid]
    return max(rows, default=(0, 0))
