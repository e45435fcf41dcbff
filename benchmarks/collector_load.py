"""How many agents one collector takes: prints site rows a second, p99 of the acknowledgements and the peak of memory.

Usage: python benchmarks/collector_load.py [--agents 200] [--processes 10] [--sites 100] [--interval 10] [--seconds 60]
       python benchmarks/collector_load.py --saturate     doubles the load until p99 is above one second

The collector is bound to one CPU; the simulated agents, each one real stream, run on the others. An acknowledgement
takes from when its batch was due, so a batch that waited for the one before it counts as late.
"""

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from gosonde_pb.v1 import ingest_pb2, ingest_pb2_grpc, model_pb2

GOSONDE = Path(sys.executable).with_name("gosonde")
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Load:
    """What all agents together send."""

    agents: int
    processes: int
    sites: int
    interval: float
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows of site totals."""
        return self.agents * self.processes * self.sites / self.interval


def observation(load: Load, number: int) -> model_pb2.Observation:
    """Every row changes each time: the worst case."""
    seen = model_pb2.Observation(taken_unix_nano=time.time_ns())
    rng = random.Random(number)  # noqa: S311
    for pid in range(1, load.processes + 1):
        key = model_pb2.ProcessKey(boot_id="boot", pid=pid, start_ticks=pid)
        began = seen.taken_unix_nano - number * SECOND_NS
        seen.processes.add(
            key=key,
            exe=f"/srv/{pid}",
            go_version="go1.27.3",
            build_id=f"build-{pid}",
            started_unix_nano=began if number == 1 else 1,
            counted_since_unix_nano=1,
            level=model_pb2.LEVEL_FULL,
        )
        if number == 1:
            for pc in range(1, load.sites + 1):
                seen.site_names.build_id.append(f"build-{pid}")
                seen.site_names.pc.append(pc)
                seen.site_names.function.append(f"example.com/service/internal.(*Worker).step{pc}")
                seen.site_names.file.append("/src/service/worker.go")
                seen.site_names.line.append(pc)
                seen.site_names.start_function.append(f"example.com/service/internal.(*Worker).step{pc}.func1")
        total = 1_000 * number + rng.randrange(1_000)
        seen.site_counters.process.extend([pid - 1] * load.sites)
        seen.site_counters.pc.extend(range(1, load.sites + 1))
        seen.site_counters.created.extend([total + pc for pc in range(load.sites)])
        seen.site_counters.exited.extend([total] * load.sites)
    return seen


async def agent(address: str, number: int, load: Load, until: float, took: list[float]) -> None:
    """One agent: a batch each interval, beginning at a random moment of the first one."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call = ingest_pb2_grpc.IngestServiceStub(channel).StreamObservations(compression=grpc.Compression.Gzip)
        name = f"agent-{number}"
        hello = ingest_pb2.Hello(agent_id=name, agent_epoch="1", host=f"host-{number}", agent_version="0")
        await call.write(ingest_pb2.StreamObservationsRequest(hello=hello))
        await call.read()
        due = time.monotonic() + random.uniform(0, load.interval)  # noqa: S311
        sequence = 0
        while due < until:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            sequence += 1
            batch = ingest_pb2.Batch(sequence=sequence, observation=observation(load, sequence))
            await call.write(ingest_pb2.StreamObservationsRequest(batch=batch))
            await call.read()
            took.append(time.monotonic() - due)
            due += load.interval
        await call.done_writing()


async def measure(load: Load) -> float:
    """Prints one line; returns the p99 of the acknowledgements in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{folder}/collector.sock"
        command: list[str | Path] = [GOSONDE, "collector", "--data", f"{folder}/data", "--listen", address]
        with Path(folder, "log").open("wb") as log:
            every = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {min(every)})  # A child inherits it, with all its threads.
            collector = subprocess.Popen(command, stderr=log)
            os.sched_setaffinity(0, every)
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                await channel.channel_ready()
            took: list[float] = []
            began = time.monotonic()
            until = began + load.seconds
            await asyncio.gather(*(agent(address, number, load, until, took) for number in range(load.agents)))
            elapsed = time.monotonic() - began
            status = Path(f"/proc/{collector.pid}/status").read_text()
        finally:
            collector.terminate()
            collector.wait()
    peak = int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) >> 10
    p99 = statistics.quantiles(took, n=100)[98]
    rows = len(took) * load.processes * load.sites / elapsed
    print(
        f"{load.agents} agents x {load.processes} processes x {load.sites} sites every {load.interval:g} s: "
        f"{rows:,.0f} rows/s of {load.rows_per_second:,.0f} offered, acknowledged in {statistics.median(took):.3f} s "
        f"(median), {p99:.3f} s (p99), peak memory {peak} MiB",
        flush=True,
    )
    return p99


async def loads(load: Load, *, saturate: bool) -> AsyncIterator[Load]:
    yield load
    while saturate:
        load = Load(load.agents, load.processes, load.sites, load.interval / 2, load.seconds)
        yield load


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("agents", 200), ("processes", 10), ("sites", 100), ("interval", 10.0), ("seconds", 60.0)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--saturate", action="store_true")
    given = vars(parser.parse_args())
    saturate = given.pop("saturate")
    async for load in loads(Load(**given), saturate=saturate):
        if await measure(load) > 1:
            break


if __name__ == "__main__":
    asyncio.run(main())
