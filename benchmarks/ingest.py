"""Site rows a second that one batch stream costs: encoding, decoding and storing, each alone.

Usage: .venv/bin/python benchmarks/ingest.py [ROWS_PER_BATCH] [BATCHES]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from gosonde_agent.wire import encoding
from gosonde_collector.ingest.wire import decode_batch
from gosonde_collector.model.values import ProcessFilter, Stream
from gosonde_collector.store.duckdb import open_store
from gosonde_common.values.observation import (
    Observation,
    Process,
    ProcessKey,
    Site,
    SiteCount,
)
from gosonde_pb.v1 import ingest_pb2

PROCESSES = 10
STREAM = Stream("agent", "epoch", "host", "0")


def observations(rows: int, batches: int) -> list[Observation]:
    """Batches in which every site has counted on since the one before."""
    now = time.time_ns()
    keys = [ProcessKey("boot", pid + 1, pid, 0) for pid in range(PROCESSES)]
    processes = tuple(Process(key, "/srv/app", "go1.24.11", "build", now, now, True) for key in keys)
    sites = [Site("build", n, f"main.(*server).handle{n}", f"internal/server/handler{n}.go", n) for n in range(rows)]
    return [
        Observation(
            now + number * 1_000_000_000,
            processes,
            tuple(
                SiteCount(keys[n * PROCESSES // rows], site, 100 * number + n, 90 * number)
                for n, site in enumerate(sites)
            ),
        )
        for number in range(1, batches + 1)
    ]


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    batches = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    seen = observations(rows, batches)
    named = frozenset(row.site for row in seen[0].site_counts)
    encode_times, decode_times, store_times = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        for sequence, observation in enumerate(seen, 1):
            began = time.perf_counter()
            message = encoding.encode(observation, named if sequence > 1 else frozenset())
            data = encoding.batch(sequence, message).SerializeToString()
            encode_times.append(time.perf_counter() - began)
            began = time.perf_counter()
            batch = decode_batch(STREAM, ingest_pb2.StreamObservationsRequest.FromString(data))
            decode_times.append(time.perf_counter() - began)
            began = time.perf_counter()
            store.append([batch])
            store_times.append(time.perf_counter() - began)
        stored = len(store.sites(ProcessFilter()))
        store.close()
    print(f"{batches} batches of {rows} site rows, {stored} sites stored; the first batch carries the names")
    print(f"{'':10}{'first batch':>14}{'median batch':>14}{'rows/s (median)':>18}")
    for name, times in (("encode", encode_times), ("decode", decode_times), ("store", store_times)):
        median = statistics.median(times[1:])
        print(f"{name:10}{times[0] * 1e3:11.1f} ms{median * 1e3:11.1f} ms{rows / median:18,.0f}")
    whole = [sum(parts) for parts in zip(encode_times[1:], decode_times[1:], store_times[1:], strict=True)]
    print(f"{'together':10}{'':14}{statistics.median(whole) * 1e3:11.1f} ms{rows / statistics.median(whole):18,.0f}")


if __name__ == "__main__":
    main()
