"""Prints the median time to encode, serialise and parse one batch of 10,000 site rows, in milliseconds.

Usage: python benchmarks/wire.py
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

from gosonde_agent.wire import encoding
from gosonde_common.values.observation import (
    Observation,
    Process,
    ProcessKey,
    Site,
    SiteCount,
)

PROCESSES = 20
SITES = 500
ROUNDS = 50


def observation() -> Observation:
    processes = [
        Process(ProcessKey("boot", pid, pid, 0), f"/usr/bin/{pid}", "go1.27.3", f"build-{pid}", 1, 1, False)
        for pid in range(PROCESSES)
    ]
    rows = [
        SiteCount(process.key, _site(process, number), 1_000_000 + number, 999_000 + number)
        for process in processes
        for number in range(SITES)
    ]
    return Observation(taken_unix_nano=time.time_ns(), processes=tuple(processes), site_counts=tuple(rows))


def median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def main() -> None:
    observed = observation()
    known = {row.site for row in observed.site_counts}
    for title, names in (("names known to the peer", known), ("with all names", set[Site]())):
        message = encoding.encode(observed, names)
        data = message.SerializeToString()
        print(f"{PROCESSES * SITES} rows, {title}: {len(data)} bytes")
        print(f"  encode    {median_ms(partial(encoding.encode, observed, names)):.2f} ms")
        print(f"  serialize {median_ms(message.SerializeToString):.2f} ms")
        print(f"  parse     {median_ms(partial(encoding.ObservationMessage.FromString, data)):.2f} ms")


def _site(process: Process, number: int) -> Site:
    name = f"example.com/service/internal/package{number % 40}.(*Worker).step{number}"
    return Site(
        process.build_id, 0x400000 + 64 * number, name, f"/src/package{number % 40}.go", number, name + ".func1"
    )


if __name__ == "__main__":
    main()
