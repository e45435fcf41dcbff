"""A store with an hour of one large process, whose agent goes on for as long as the benchmark asks."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from gosonde_collector.model.values import Batch, Columns, Site
from gosonde_collector.store.duckdb import open_store
from gosonde_pb.v1 import model_pb2
from numpy.typing import NDArray

from tests.collector_process import AgentStream
from tests.unit.collector.batches import KEY, SECOND, STREAM, batch, process

SITES: Final = 2_000
HOUR_S: Final = 3_600
#: The first site leaks, so many goroutines a second.
LEAK: Final = 5
STORED_AT_ONCE: Final = 20


class Busy:
    """Totals of sites, some of which change each second, in order that the hour and what comes then belong together."""

    def __init__(self, changing: int) -> None:
        self._changing = changing
        self._random = np.random.default_rng(1)
        self.began = time.time_ns() - HOUR_S * SECOND
        self.pcs = 0x400000 + 64 * np.arange(SITES, dtype=np.uint64)
        self.created = np.zeros(SITES, np.int64)
        self.exited = np.zeros(SITES, np.int64)
        self.second = 0

    def step(self) -> NDArray[np.int64]:
        """One second more; the sites that have changed."""
        self.second += 1
        some = self._random.choice(np.arange(1, SITES), self._changing - 1, replace=False)
        self.created[some] += self._random.integers(1, 50, len(some))
        self.exited[some] = np.maximum(self.exited[some], self.created[some] - self._random.integers(0, 200, len(some)))
        self.created[0] += LEAK
        return np.append(some, 0)

    @property
    def taken(self) -> int:
        """The time of the present second."""
        return self.began + self.second * SECOND

    def batch(self) -> Batch:
        """What the agent says of one second more."""
        some = self.step()
        second, taken = self.second, self.taken
        pauses = self._random.lognormal(12, 1.5, 2).astype(int)
        counters: Columns = {
            "process": np.zeros(len(some), np.int64),
            "pc": self.pcs[some],
            "created": self.created[some],
            "exited": self.exited[some],
            "baseline": np.zeros(len(some), np.int64),
            "mismatch": np.zeros(len(some), np.int64),
        }
        seen = batch(
            second, taken_unix_nano=taken, sites=self._names() if second == 1 else (),
            processes=[process(started_unix_nano=self.began, counted_since_unix_nano=self.began)],
            costs=[(0, second * 1_000, second * 100_000, 10_000, 900)],
            cycles=[(0, second, taken, taken + 3_000_000)], heaps=[(8 << 20, 3 << 20, 2 << 20, 9 << 20, second)],
            pauses=[(0, 2 * second + end, taken + end, int(pauses[end]), "GC") for end in (0, 1)],
        )  # fmt: skip
        return replace(seen, site_counters=counters)

    def _names(self) -> list[Site]:
        return [
            Site("build", int(pc), f"example.com/shop/internal.(*Worker).step{number}", "/src/worker.go", number)
            for number, pc in enumerate(self.pcs)
        ]  # fmt: skip

    def observation(self) -> model_pb2.Observation:
        """The same, as the agent sends it."""
        some = self.step()
        seen = model_pb2.Observation(taken_unix_nano=time.time_ns())
        key = model_pb2.ProcessKey(boot_id=KEY.boot_id, pid=KEY.pid, start_ticks=KEY.start_ticks)
        seen.processes.add(
            key=key, exe="/srv/app", go_version="go1.24.11", build_id="build", started_unix_nano=self.began,
            counted_since_unix_nano=self.began, counted_from_start=True, level=model_pb2.LEVEL_FULL,
        )  # fmt: skip
        seen.site_counters.process.extend([0] * len(some))
        seen.site_counters.pc.extend(self.pcs[some].tolist())
        seen.site_counters.created.extend(self.created[some].tolist())
        seen.site_counters.exited.extend(self.exited[some].tolist())
        return seen


def fill(folder: Path, changing: int) -> Busy:
    """An hour of a process, of whose sites so many change each second."""
    busy = Busy(changing)
    store = open_store(folder)
    while busy.second < HOUR_S:
        store.append([busy.batch() for _ in range(STORED_AT_ONCE)])
    store.checkpoint()
    store.close()
    return busy


@contextmanager
def sending(busy: Busy, address: str) -> Iterator[None]:
    """The agent sends each second."""
    over = threading.Event()

    def send() -> None:
        with AgentStream(address, STREAM.agent_id, STREAM.agent_epoch, STREAM.host) as agent:
            while not over.wait(1):
                seen = busy.observation()
                agent.observe(busy.second, seen)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
