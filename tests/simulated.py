"""Programs that count for themselves, watched by a real uplink: what the store must say afterwards is known exactly."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from gosonde_agent.host.identity import Identity
from gosonde_agent.stream.journal import Journal
from gosonde_agent.stream.uplink import Timeouts, Uplink
from gosonde_common.addresses import ClientTls
from gosonde_common.values.observation import (
    GcCycle,
    GcTotal,
    Observation,
    Pause,
    Process,
    ProcessKey,
    Site,
    SiteCount,
)
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc

SECOND = 1_000_000_000
TIMEOUTS = Timeouts(first_backoff_seconds=0.05, last_backoff_seconds=0.5, flush_seconds=5)
INTERVAL_SECONDS = 0.05

Totals = dict[tuple[str, int, int], tuple[int, int]]


@dataclass
class Target:
    """One process with some sites, each of which creates and exits goroutines at random."""

    pid: int
    sites: int
    created: Counter[int] = field(default_factory=Counter)
    exited: Counter[int] = field(default_factory=Counter)
    cycles: int = 0
    began: int = field(default_factory=lambda: time.time_ns() - 3600 * SECOND)

    @property
    def process(self) -> Process:
        key = ProcessKey("boot", self.pid, self.pid, 1)
        return Process(key, f"/srv/{self.pid}", "go1.27.3", "build", self.began, self.began, True)

    def work(self, rng: random.Random) -> None:
        """Does something and counts it."""
        for pc in rng.sample(range(1, self.sites + 1), max(1, self.sites // 2)):
            self.created[pc] += rng.randrange(5)
            self.exited[pc] += rng.randrange(self.created[pc] - self.exited[pc] + 1)

    def observation(self) -> Observation:
        """What an agent sees of it, and one GC cycle with its pause."""
        key, now, number = self.process.key, time.time_ns(), self.cycles
        self.cycles += 1
        at = self.began + number * 1000
        return Observation(
            now,
            (self.process,),
            tuple(
                SiteCount(key, Site("build", pc, f"main.f{pc}", "main.go", pc), self.created[pc], self.exited[pc])
                for pc in range(1, self.sites + 1)
            ),
            pauses=(Pause(key, number, at + 1, 5, "GC mark termination"),),
            gc_cycles=(GcCycle(key, number, at, at + 10, number=number + 1),),
            gc_totals=(GcTotal(key, self.cycles, self.cycles, 5 * self.cycles),),
        )


@dataclass
class Agent:
    """A real uplink on one simulated host."""

    number: int
    collectors: list[str]
    targets: list[Target]
    interval_seconds: float = INTERVAL_SECONDS
    tls: ClientTls | None = None

    def __post_init__(self) -> None:
        self.host = f"host-{self.number}"
        identity = Identity(f"{self.number:032x}", "e" * 32, self.host, "boot")
        self.uplink = Uplink(
            self.collectors, identity, self.interval_seconds, Journal("boot"), tls=self.tls, timeouts=TIMEOUTS
        )
        self._rng = random.Random(self.number)
        self.finished = False

    async def work(self, until: asyncio.Event) -> None:
        """Lets its targets work, and observes them, until asked to stop; the end of it is observed too."""
        while not until.is_set():
            await self.observe()
            await asyncio.sleep(self.interval_seconds * self._rng.uniform(0.5, 1.5))
        await self.observe()
        self.finished = True

    async def observe(self) -> None:
        """One observation of all targets."""
        parts = []
        for target in self.targets:
            target.work(self._rng)
            parts.append(target.observation())
        await self.uplink.offer(_joined(parts))

    def totals(self) -> Totals:
        """What its targets counted, by (host, pid, pc)."""
        return {
            (self.host, target.pid, pc): (target.created[pc], target.exited[pc])
            for target in self.targets
            for pc in range(1, target.sites + 1)
        }

    def cycles(self) -> dict[tuple[str, int], int]:
        """How many GC cycles each target had."""
        return {(self.host, target.pid): target.cycles for target in self.targets}


def _joined(parts: list[Observation]) -> Observation:
    return Observation(
        parts[0].taken_unix_nano,
        processes=tuple(row for part in parts for row in part.processes),
        site_counts=tuple(row for part in parts for row in part.site_counts),
        pauses=tuple(row for part in parts for row in part.pauses),
        gc_cycles=tuple(row for part in parts for row in part.gc_cycles),
        gc_totals=tuple(row for part in parts for row in part.gc_totals),
    )


@asynccontextmanager
async def running(agents: list[Agent]) -> AsyncIterator[asyncio.Event]:
    """All agents at work; set the event to end the work. Sending goes on to the end of the block."""
    over = asyncio.Event()
    tasks = [asyncio.create_task(work) for agent in agents for work in (agent.uplink.run(), agent.work(over))]
    try:
        yield over
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        for agent in agents:
            await agent.uplink.close()


async def settled(agents: list[Agent], seconds: float = 120) -> None:
    """Waits until every agent has finished its work and has everything acknowledged."""
    async with asyncio.timeout(seconds):
        while not all(agent.finished and agent.uplink.settled for agent in agents):
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Query:
    """How to ask a collector."""

    address: str
    credentials: grpc.ChannelCredentials | None = None
    metadata: Sequence[tuple[str, str]] = ()

    @asynccontextmanager
    async def stub(self) -> AsyncIterator[Any]:
        """For one question."""
        options = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
        if self.credentials:
            channel = grpc.aio.secure_channel(self.address, self.credentials, options)
        else:
            channel = grpc.aio.insecure_channel(self.address, options)
        async with channel:
            yield collector_pb2_grpc.CollectorServiceStub(channel)


async def stored(query: Query, *, all_runs: bool = False) -> Totals:
    """The sums over all images of each site, by (host, pid, pc), as the collector has them."""
    request = collector_pb2.ListSitesRequest(filter=collector_pb2.ProcessFilter(all_runs=all_runs))
    async with query.stub() as stub:
        rows = (await stub.ListSites(request, metadata=query.metadata)).rows
    sums: Totals = {}
    for row in rows:
        key = (row.host, row.process.pid, row.site.pc)
        created, exited = sums.get(key, (0, 0))
        sums[key] = created + row.created, exited + row.exited
    return sums


async def stored_cycles(query: Query) -> dict[tuple[str, int], list[tuple[int, int]]]:
    """(number, pauses) of each GC cycle by (host, pid), in order."""
    async with query.stub() as stub:
        rows = (await stub.ListGcCycles(collector_pb2.ListGcCyclesRequest(limit=10_000), metadata=query.metadata)).rows
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for row in rows:
        found.setdefault((row.host, row.process.pid), []).append((row.cycle, len(row.pauses)))
    return {key: sorted(cycles) for key, cycles in found.items()}


async def assert_exact(query: Query, agents: list[Agent]) -> None:
    """The store has of these agents' hosts what the targets counted: no total is off, no event is missing or twice."""
    hosts = {agent.host for agent in agents}
    totals = {key: value for key, value in (await stored(query)).items() if key[0] in hosts}
    assert totals == {key: value for agent in agents for key, value in agent.totals().items()}
    expected = {key: list(range(1, count + 1)) for agent in agents for key, count in agent.cycles().items()}
    cycles = {key: value for key, value in (await stored_cycles(query)).items() if key[0] in hosts}
    assert {key: [number for number, _ in value] for key, value in cycles.items()} == expected
    assert {pauses for value in cycles.values() for _, pauses in value} == {1}
    assert all(not any(agent.uplink.losses().values()) for agent in agents)
