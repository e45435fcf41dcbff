"""How long one round of the analysis takes on one core when every site of a fleet changes all the time.

Usage: python benchmarks/analysis.py [--hosts 100] [--processes 10] [--sites 200] [--interval 10] [--minutes 60]
       [--rounds 20]

A store is filled with the past of the fleet; then, for each round, one batch of every host comes in, and the analysis
runs. One process in fifty has one site that leaks; of the others most churn, some are populations that come and go by
chance or with the load. Prints the CPU time of the first round, which reads the whole past, and of the later ones,
and the memory.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.ingest.wire import PARK_ESTIMATES
from gosonde_collector.model.values import (
    Batch,
    Columns,
    Process,
    ProcessFilter,
    ProcessKey,
    Site,
    Stream,
)
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from numpy.typing import NDArray

SECOND = 1_000_000_000
#: One process in so many leaks, so many goroutines a second.
ONE_IN, LEAK_RATES = 50, (0.1, 1.0, 10.0)


@dataclass
class Fleet:
    """All sites of all hosts, in columns: hosts x (processes x sites)."""

    hosts: int
    processes: int
    sites: int
    interval: float
    sequence: int = 0
    began: int = field(default_factory=time.time_ns)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(1)
        shape = (self.hosts, self.processes, self.sites)
        kind = np.arange(self.sites)[None, None, :] * 20 // self.sites
        size = np.where(kind < 12, 2.0, np.where(kind < 18, self.random.choice([20, 100, 500], shape), 50.0))
        self.lifetime = np.where(kind < 12, 0.05, self.random.choice([2.0, 20.0, 120.0], shape))
        self.births = size / self.lifetime
        self.follows_load = np.broadcast_to(kind == 18, shape)
        self.live = self.random.poisson(size)
        self.exited = np.zeros(shape, np.int64)
        self.leaked = np.zeros(shape, np.int64)
        self.leaks = np.zeros(shape)
        leaking = np.arange(0, self.hosts * self.processes, ONE_IN)
        self.leaks.reshape(-1, self.sites)[leaking, 7] = self.random.choice(LEAK_RATES, len(leaking))

    def batches(self) -> list[Batch]:
        """What each host sends after one more interval."""
        self.sequence += 1
        load = 1 + 0.5 * np.sin(2 * np.pi * self.sequence * self.interval / 1_800)
        born = self.random.poisson(self.births * self.interval * np.where(self.follows_load, load, 1.0))
        stay = np.minimum(self.lifetime / self.interval, 1) * (1 - np.exp(-self.interval / self.lifetime))
        gone = self.random.binomial(self.live, 1 - np.exp(-self.interval / self.lifetime))
        kept = self.random.binomial(born, stay)
        self.live = self.live - gone + kept
        self.exited += gone + born - kept
        self.leaked += self.random.poisson(self.leaks * self.interval)
        created = self.exited + self.live + self.leaked
        return [self._batch(host, created[host].ravel(), self.exited[host].ravel()) for host in range(self.hosts)]

    def _batch(self, host: int, created: NDArray[np.int64], exited: NDArray[np.int64]) -> Batch:
        stream = Stream(f"agent-{host}", "1", f"host-{host}", "0")
        keys = [ProcessKey("boot", pid + 1, pid, 0) for pid in range(self.processes)]
        known = [
            Process(key, "/srv/app", "go1.27.3", "build", self.began, self.began, True, 0, "full", "") for key in keys
        ]
        names = [Site("build", pc, f"main.work{pc}", "main.go", pc, f"main.work{pc}.func1") for pc in range(self.sites)]
        counters = {
            "process": np.repeat(np.arange(self.processes), self.sites),
            "pc": np.tile(np.arange(self.sites, dtype=np.uint64), self.processes),
            "created": created.copy(),
            "exited": exited.copy(),
            "baseline": np.zeros(len(created), np.int64),
            "mismatch": np.zeros(len(created), np.int64),
        }
        taken = self.began + int(self.sequence * self.interval * SECOND) + host * SECOND // 200
        empty = np.empty(0, np.int64)
        parks = dict.fromkeys(("process", "parked", *PARK_ESTIMATES), empty)
        parks = {**parks, "wait_reason": empty.astype(object)}
        pauses = dict.fromkeys(("process", "ordinal", "start_unix_nano", "duration_ns"), empty)
        cycles = dict.fromkeys(("process", "ordinal", "start_unix_nano", "end_unix_nano"), empty)
        totals = dict.fromkeys(("process", "cycles", "pauses", "gc_pause_ns"), empty)
        pauses = {**pauses, "reason": empty.astype(object)}
        costs = dict.fromkeys(("process", "probe_ns", "cpu_ns", "target_ppm", "core_ppm"), empty)
        sites = tuple(names) if self.sequence == 1 else ()
        seen = (counters, parks, pauses, cycles, totals, costs)
        searches: Columns = {"process": empty}
        return Batch(
            stream,
            self.sequence,
            taken,
            tuple(known),
            sites,
            *seen,
            proofs=searches,
            holders=searches,
            searches=searches,
            site_estimates=searches,
            timer_readings=searches,
            runtime_readings=searches,
        )


def rounds(store: DuckDBStore, fleet: Fleet, analyst: Analyst, number: int) -> list[float]:
    """CPU seconds of each of so many rounds."""
    took = []
    for _ in range(number):
        store.append(fleet.batches())
        began = time.process_time()
        analyst.run()
        took.append(time.process_time() - began)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("hosts", 100), ("processes", 10), ("sites", 200), ("interval", 10.0), ("minutes", 60.0)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    fleet = Fleet(given.hosts, given.processes, given.sites, given.interval)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        began = time.perf_counter()
        for _ in range(int(given.minutes * 60 / given.interval)):
            store.append(fleet.batches())
        stored = time.perf_counter() - began
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        analyst = Analyst(store)
        first, *later = rounds(store, fleet, analyst, given.rounds + 1)
        found = len(analyst.findings(ProcessFilter()))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store.close()
    leaking = int(np.count_nonzero(fleet.leaks))
    print(
        f"{given.hosts} hosts x {given.processes} processes x {given.sites} sites every {given.interval:g} s for "
        f"{given.minutes:g} min, on one core, stored in {stored:.0f} s; {leaking} sites leak, {found} are found"
    )
    print(f"first round, which reads all that: {first:.2f} s of CPU time")
    print(f"later rounds: median {statistics.median(later):.2f} s of CPU time, longest {max(later):.2f} s")
    print(f"peak memory {peak >> 10} MiB, {(peak - before) >> 10} MiB of it more than the store had taken before")


if __name__ == "__main__":
    main()
