"""What questions and scrapes take of a store with 100 million rows, and how long clean-ups keep batches waiting.

The rows are made by the store's own engine, in its own tables: a fleet whose sites all change each minute.
"""

import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from gosonde_collector.store.duckdb import FILE_NAME, DuckDBStore, open_store
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc

from benchmarks.effort import Effort
from benchmarks.footprint import cpu_seconds
from benchmarks.results import Row
from tests.agent_process import eventually, free_port
from tests.collector_process import CollectorProcess, metric, open_channel
from tests.unit.collector.batches import SITE, batch

PROCESSES, SITES = 20, 50
MINUTE_NS: Final = 60_000_000_000
DAY_NS: Final = 1_440 * MINUTE_NS
#: Hosts with a process of which a site leaks, five goroutines each minute.
LEAKING: Final = 50
#: Until all was analysed, also by a busy machine.
PATIENCE_S: Final = 3_600.0
#: How much room the largest store needs, and its clean-up.
ROOM_BYTES: Final = 6 << 30

HOSTS: Final = "CREATE TEMP TABLE hosts AS SELECT range AS host FROM range($hosts)"
NUMBERED: Final = """
CREATE TEMP TABLE numbered AS
SELECT host, range AS place, (hash(host, range) >> 1)::BIGINT AS process FROM hosts, range($processes)
"""
BATCHES: Final = """
INSERT INTO batches BY NAME
SELECT 'agent-' || host AS agent_id, 'epoch' AS agent_epoch, 'host-' || host AS host, '0' AS agent_version,
    1 AS agent_run, 'none' AS previous_end, range + 1 AS sequence, $minute_ns AS interval_ns,
    $began + (range + 1) * $minute_ns AS taken_unix_nano, taken_unix_nano + hosts.host * 1000 AS stored_unix_nano
FROM range($minutes), hosts ORDER BY stored_unix_nano
"""
DESCRIBED: Final = """
INSERT INTO processes BY NAME
SELECT process, 'agent-' || host AS agent_id, 'epoch' AS agent_epoch, 1 AS sequence, $began AS stored_unix_nano,
    'host-' || host AS host, 'boot' AS boot_id, 1000 + place AS pid, place AS start_ticks, 0 AS exec_epoch,
    '/srv/app' || place AS exe, 'go1.24.11' AS go_version, 'build' || place AS build_id,
    $began AS started_unix_nano, $began AS counted_since_unix_nano, 1 AS counted_from_start, 0 AS ended_unix_nano,
    'full' AS level, '' AS refusal, 1 AS precise, 1 AS sums,
    [] AS step_unix_nano, [] AS step_level, [] AS step_reason, [] AS step_ppm,
    '' AS container_id, '' AS pod_uid, '' AS namespace, '' AS pod, '' AS container, '' AS workload
FROM numbered
"""
NAMES: Final = """
INSERT INTO site_names BY NAME
SELECT 'build' || p.range AS build_id, 4194304 + 64 * s.range AS pc, 'main.step' || s.range AS function,
    '/src/main.go' AS file, s.range AS line, 'main.run' AS start_function, $began AS stored_unix_nano
FROM range($processes) AS p, range($sites) AS s
"""
#: Each site creates about as many in each minute; of few of these it is not known when they exit.
TOTALS: Final = """
INSERT INTO site_counters BY NAME
SELECT process, $minute AS sequence, $taken AS taken_unix_nano, 4194304 + 64 * range AS pc,
    64 * $minute * (1 + range) + (hash(process, range, $minute) % 64)::BIGINT AS created,
    created - CASE WHEN range = 0 AND place = 0 AND host < $leaking THEN 5 * $minute
        ELSE (hash($minute, process, range) % 20)::BIGINT END AS exited, 0 AS baseline, 0 AS mismatch
FROM numbered, range($sites) ORDER BY host, place, range
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many hosts, each with PROCESSES processes of SITES sites, over so many minutes."""

    hosts: int
    minutes: int

    @property
    def rows(self) -> int:
        """Of site_counters."""
        return self.hosts * PROCESSES * SITES * self.minutes


def large_store(effort: Effort) -> Iterator[Row]:
    """Of a small and of a large store with the same sites."""
    hosts = 1_000 if effort.thorough else 100
    for fleet in (Fleet(hosts, 1), Fleet(hosts, 100)):
        with tempfile.TemporaryDirectory(prefix="gosonde-bench.", dir="/var/tmp") as name:
            folder = Path(name)
            if shutil.disk_usage(folder).free < ROOM_BYTES:
                raise OSError(f"{folder} has less than {ROOM_BYTES >> 30} GiB of room")
            fill(folder / "data", fleet)
            case = f"{fleet.rows:,} rows"
            size_mb = (folder / "data" / FILE_NAME).stat().st_size / 1e6
            days = fleet.minutes * MINUTE_NS / DAY_NS
            yield Row("large_store", f"the store, {case}", "MB", (size_mb,))
            yield Row("large_store", f"a host and day, {case}", "MB", (size_mb / fleet.hosts / days,))
            yield from _asked(folder, case, LEAKING if fleet.minutes > 1 else 0, effort.rounds)
            if fleet.minutes > 1:
                yield from _cleaned(folder / "data", case)


def fill(folder: Path, fleet: Fleet) -> None:
    """A store as the fleet's agents leave it."""
    began = time.time_ns() - fleet.minutes * MINUTE_NS
    with closing(open_store(folder)):
        pass
    with duckdb.connect(str(folder / FILE_NAME), config={"threads": 2}) as connection:
        connection.execute(HOSTS, {"hosts": fleet.hosts})
        connection.execute(NUMBERED, {"processes": PROCESSES})
        connection.execute(BATCHES, {"minutes": fleet.minutes, "began": began, "minute_ns": MINUTE_NS})
        connection.execute(DESCRIBED, {"began": began})
        connection.execute(NAMES, {"processes": PROCESSES, "sites": SITES, "began": began})
        for minute in range(1, fleet.minutes + 1):
            taken = began + minute * MINUTE_NS
            connection.execute(TOTALS, {"minute": minute, "taken": taken, "leaking": LEAKING, "sites": SITES})
        connection.execute("CHECKPOINT")


def _asked(folder: Path, case: str, leaks: int, times: int) -> Iterator[Row]:
    """Of a collector that has found so many leaks in the store: by gRPC, and over HTTP."""
    http = f"127.0.0.1:{free_port()}"
    (folder / "collector.toml").write_text(f'http = "{http}"\nanalysis_interval_seconds = 60\n')
    with ExitStack() as stack:
        collector = stack.enter_context(CollectorProcess(folder, "--config", str(folder / "collector.toml")))
        channel = stack.enter_context(open_channel(collector.address, None))
        stub = collector_pb2_grpc.CollectorServiceStub(channel)
        everything = collector_pb2.ListFindingsRequest()
        eventually(lambda: len(stub.ListFindings(everything).findings) >= leaks, PATIENCE_S)
        eventually(lambda: metric(http, "gosonde_collector_clean_ups_total", {}) >= 1, PATIENCE_S)
        questions: dict[str, Callable[[collector_pb2.ProcessFilter], object]] = {
            "findings": lambda _: stub.ListFindings(everything),
            "processes --host": lambda one: stub.ListProcesses(collector_pb2.ListProcessesRequest(filter=one)),
            "sites --host": lambda one: stub.ListSites(collector_pb2.ListSitesRequest(filter=one)),
            "/metrics": lambda _: _scraped(http),
        }
        pid = collector.process.pid
        for name, ask in questions.items():
            took, of_cpu = [], []
            for number in range(times):
                host = collector_pb2.ProcessFilter(host=f"host-{7 + number}")
                cpu, began = cpu_seconds(pid), time.perf_counter()
                ask(host)
                took.append(1e3 * (time.perf_counter() - began))
                of_cpu.append(1e3 * (cpu_seconds(pid) - cpu))
            yield Row("large_store", f"{name}, {case}", "ms", tuple(took))
            yield Row("large_store", f"{name}, {case}", "ms of CPU", tuple(of_cpu))


def _scraped(http: str) -> bytes:
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=PATIENCE_S) as answer:
        return bytes(answer.read())


def _cleaned(folder: Path, case: str) -> Iterator[Row]:
    """Of each site all but the last total of each hour is let go of, while batches come."""
    with closing(open_store(folder)) as store:
        now, over = time.time_ns(), threading.Event()
        waits: list[float] = []
        appending = threading.Thread(target=_append, args=(store, over, waits))
        appending.start()
        began = time.perf_counter()
        store.expire(now, now, 0)
        yield Row("large_store", f"all but hours let go of, {case}", "s", (time.perf_counter() - began,))
        over.set()
        appending.join()
    yield Row("large_store", f"a batch is stored meanwhile, {case}", "ms", tuple(waits))
    yield Row("large_store", f"the longest of these, {case}", "ms", (max(waits),))


def _append(store: DuckDBStore, over: threading.Event, waits: list[float]) -> None:
    sequence = 0
    while not over.wait(0.05):
        sequence += 1
        began = time.perf_counter()
        store.append([batch(sequence, counters=[(0, SITE.pc, sequence, 0)], taken_unix_nano=time.time_ns())])
        waits.append(1e3 * (time.perf_counter() - began))
