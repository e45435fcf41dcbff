"""The agent's uplink against the real collector, which is killed and started again in between."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import grpc.aio
from gosonde_agent.host.identity import Identity
from gosonde_agent.stream.uplink import Timeouts, Uplink
from gosonde_common.values.observation import Observation, Process
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc

from tests.unit.agent.observations import count, cycle, observed, pause, process, total
from tests.unit.agent.recording_collector import eventually

NOW = time.time_ns()
STEPS = 60
KILL_AT = (20, 40)


COLLECTOR = """
import sys
from pathlib import Path
from gosonde_collector.config import CollectorConfig
from gosonde_collector.service import run
config = CollectorConfig(listen=sys.argv[1], data=Path(sys.argv[2]))
run(config, lambda: config)
"""


@contextmanager
def collector(address: str, data: Path) -> Iterator[None]:
    """A collector that is killed at the end, as by the kernel."""
    with subprocess.Popen([sys.executable, "-c", COLLECTOR, address, str(data)]) as running:
        try:
            yield
        finally:
            running.send_signal(signal.SIGKILL)


@asynccontextmanager
async def running(uplink: Uplink) -> AsyncIterator[None]:
    task = asyncio.create_task(uplink.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await uplink.close()


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def at(step: int, one: Process, two: Process) -> Observation:
    """Process 2 ends at half time; its last totals are reported once. The times are of today: the collector forgets."""
    began = NOW + step * 1_000_000
    pauses = tuple(replace(pause(one, 2 * step + half), start_unix_nano=began + half) for half in (0, 1))
    seen = observed(
        one,
        taken=began,
        site_counts=tuple(count(one, pc, step * pc, step) for pc in range(1, 11)),
        pauses=pauses,
        gc_cycles=(replace(cycle(one, step), start_unix_nano=began, end_unix_nano=began + 10),),
        gc_totals=(total(one, step + 1),),
    )
    if step > STEPS // 2:
        return seen
    if step < STEPS // 2:
        return replace(seen, processes=(one, two), site_counts=(*seen.site_counts, count(two, 1, step)))
    ended = replace(two, ended_unix_nano=NOW)
    return replace(seen, processes=(one, ended), site_counts=(*seen.site_counts, count(two, 1, 1000, 999)))


async def test_nothing_is_lost_or_counted_twice_over_two_kills_of_the_collector(tmp_path: Path) -> None:
    address = free_address()
    uplink = Uplink(
        [address], Identity("a" * 32, "e" * 32, "host", "boot"), 0.05, timeouts=Timeouts(0.05, 0.2, flush_seconds=20)
    )
    one, two = process(1), process(2)
    async with running(uplink):
        for first, last in ((0, *KILL_AT[:1]), KILL_AT, (KILL_AT[-1], STEPS)):
            await uplink.offer(at(first, one, two))
            with collector(address, tmp_path):
                await eventually(lambda: uplink.status().connected, 60)
                for step in range(first + 1, last):
                    await uplink.offer(at(step, one, two))
                    await asyncio.sleep(0.02)
                if last == STEPS:
                    await eventually(lambda: uplink.settled)
                    await _everything_arrived(address)
            await eventually(lambda: not uplink.status().connected)
    assert set(uplink.losses().values()) == {0}


async def _everything_arrived(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = collector_pb2_grpc.CollectorServiceStub(channel)
        processes = (await stub.ListProcesses(collector_pb2.ListProcessesRequest())).rows
        sites = (await stub.ListSites(collector_pb2.ListSitesRequest())).rows
        cycles = (await stub.ListGcCycles(collector_pb2.ListGcCyclesRequest(limit=1000))).rows
    assert {row.process.key.pid: row.process.ended_unix_nano for row in processes} == {1: 0, 2: NOW}
    expected = {(1, pc): ((STEPS - 1) * pc, STEPS - 1) for pc in range(1, 11)} | {(2, 1): (1000, 999)}
    assert {(row.process.pid, row.site.pc): (row.created, row.exited) for row in sites} == expected
    assert {row.site.function for row in sites} == {f"main.f{pc}" for pc in range(1, 11)}
    ends = sorted(row.end_unix_nano for row in cycles)
    assert ends == [NOW + step * 1_000_000 + 10 for step in range(STEPS)], "a GC cycle is missing or there twice"
    assert [len(row.pauses) for row in cycles] == [2] * STEPS, "a pause is missing or there twice"
