"""Lets hostile messages loose on a collector and an agent's query service: `python -m tests.fuzz.run_grpc SECONDS`."""

import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.query_service import start_query_service
from gosonde_common.values.observation import Observation, Process
from gosonde_common.values.status import AgentStatus, UplinkStatus

from tests.collector_process import CollectorProcess, open_channel
from tests.fuzz.grpc_messages import AGENT, COLLECTOR, series

#: By how much a server may grow while it is attacked.
MEMORY_BYTES = 96 << 20
ROUND = 100
#: Seconds between two calls: more often, and the servers would refuse them unread.
PAUSE = 0.02


def peak_memory(pid: int) -> int:
    """The most bytes that a process has had in memory."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) << 10


class AgentServer:
    """The agent's query service in a process of its own, which watches nothing; killed at the end of the block."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:{folder}/agent.sock"
        self.process = subprocess.Popen([sys.executable, "-m", "tests.fuzz.run_grpc", "--serve", self.address])
        with open_channel(self.address, None) as channel:
            grpc.channel_ready_future(channel).result(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()


async def switch(_pid: int | None, _on: bool) -> Sequence[Process]:
    """Switches the probes of nothing."""
    return ()


async def serve(address: str) -> None:
    """Serves until it is killed."""
    latest = Latest()
    latest.update(Observation(taken_unix_nano=1))
    status = AgentStatus("fuzzed", "0", "host", 1, UplinkStatus(""))
    server = await start_query_service(address, latest, lambda: status, switch=switch)
    await asyncio.Event().wait()
    await server.stop(0)


def main() -> None:
    """Attacks both for so many seconds each."""
    if sys.argv[1] == "--serve":
        asyncio.run(serve(sys.argv[2]))
    seconds = float(sys.argv[1])
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for kind, methods in ((CollectorProcess, COLLECTOR), (AgentServer, AGENT)):
            with kind(Path(folder)) as server, grpc.insecure_channel(server.address) as channel:
                before, ends, end = peak_memory(server.process.pid), Counter[str](), time.monotonic() + seconds
                while time.monotonic() < end:
                    ends += series(channel, methods, rng, ROUND, PAUSE)
                grown = peak_memory(server.process.pid) - before
                assert server.process.poll() is None, "the server ended"
                assert grown < MEMORY_BYTES, f"the server grew by {grown >> 20} MiB"
                print(f"{kind.__name__}: {ends.total()} hostile calls, {dict(ends)}, grew by {grown >> 20} MiB")


if __name__ == "__main__":
    main()
