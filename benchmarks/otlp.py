"""What it takes to export 1,000 processes by OTLP: of a collector, and of the two ways to fill the SDK's data model."""

import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from gosonde_common.goroutine_metrics import SiteRow, goroutine_metrics
from gosonde_common.otlp.counts import Counts
from gosonde_common.otlp.keys import GRPC, HTTP, OtlpKeys
from gosonde_common.otlp.rules import GOROUTINES
from gosonde_common.otlp.targets import Figures, Naming, Target
from gosonde_common.otlp.translation import Translation
from gosonde_common.owners import Owner
from gosonde_common.values.runtime import RuntimeFigures
from gosonde_common.wire.runtime import encode_runtimes
from gosonde_pb.v1 import model_pb2
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.util.types import AnyValue

from benchmarks.collector_load import Load, observation
from benchmarks.effort import Effort
from benchmarks.footprint import cpu_seconds
from benchmarks.results import Row
from tests.collector_process import AgentStream, CollectorProcess
from tests.otlp_receiver import grpc_receiver, http_receiver

PROCESSES: Final = 1_000
AGENTS: Final = 20
SITES: Final = 20
#: Those of each process that Translation has of its own: as many as fit into the limits of all series.
STATEMENTS: Final = 2
OWNERS: Final = [Owner(f"host-{pid % AGENTS}", str(pid), "/srv/app") for pid in range(PROCESSES)]
DEFAULT_S: Final = OtlpKeys().otlp_interval_seconds
#: Of a collector that does nothing else.
QUIET: Final = "analysis_interval_seconds = 3600\nsnapshots_on_suspicion = false\n"


def otlp(effort: Effort) -> Iterator[Row]:
    """CPU time of an export."""
    exports = {protocol: [_export(protocol, effort.seconds) for _ in range(effort.rounds)] for protocol in (GRPC, HTTP)}
    for protocol, seconds in exports.items():
        yield Row("otlp, an export", protocol, "CPU ms", tuple(1e3 * each for each in seconds))
    for protocol, seconds in exports.items():
        yield Row("otlp, one each minute", protocol, "% of a core", tuple(100 * each / DEFAULT_S for each in seconds))
    found = {way: [_in_a_process(way) for _ in range(effort.rounds)] for way in WAYS}
    for way, values in found.items():
        yield Row("otlp, data model", way, "CPU ms", tuple(1e3 * cpu for cpu, _ in values))
    for way, values in found.items():
        yield Row("otlp, memory of it", way, "MiB", tuple(size for _, size in values))


def _export(protocol: str, seconds: float) -> float:
    """CPU seconds of one export of a collector: what it takes more than without a receiver."""
    receiver = grpc_receiver if protocol == GRPC else http_receiver
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        address, received = stack.enter_context(receiver())
        file = Path(name, "collector.toml")
        file.write_text(QUIET)
        collector = stack.enter_context(CollectorProcess(Path(name), "--config", str(file)))
        for number in range(AGENTS):
            agent = stack.enter_context(AgentStream(collector.address, f"agent-{number}", host=f"host-{number}"))
            agent.observe(1, _observation())
        time.sleep(seconds)
        idle = _spent(collector, seconds)
        receiving = f'otlp = "http://{address}"\notlp_protocol = "{protocol}"\notlp_interval_seconds = 1\n'
        file.write_text(QUIET + receiving)
        collector.process.send_signal(signal.SIGHUP)
        received.until(lambda: received.points(GOROUTINES.name))
        time.sleep(seconds)
        received.metrics.clear()
        exporting = _spent(collector, seconds)
        return (exporting - idle) / (len(received.points(GOROUTINES.name)) / PROCESSES)


def _observation() -> model_pb2.Observation:
    """What an agent says of its processes, with all that runtimes say of themselves."""
    processes = PROCESSES // AGENTS
    seen = observation(Load(AGENTS, processes, SITES, 1, 1), 1)
    figures = RuntimeFigures(
        seen.taken_unix_nano, 12, 1 << 20, 1 << 26, 1 << 30, 1 << 34, 1 << 24, 1 << 27, 9, 8, 100, 8
    )
    encode_runtimes(seen.runtime_readings, [figures] * processes, range(processes))
    return seen


def _spent(collector: CollectorProcess, seconds: float) -> float:
    before = cpu_seconds(collector.process.pid)
    time.sleep(seconds)
    return cpu_seconds(collector.process.pid) - before


def data_model() -> Callable[[], int]:
    """Has the values of all processes put together once, and gives how many that are."""
    figures = Figures((), [Target(owner, goroutines=1, gc_cycles=1) for owner in OWNERS])
    rows = [
        SiteRow(owner, f"main.serve{n}", f"/src/main.go:{n}", 1, 1, 1) for owner in OWNERS for n in range(STATEMENTS)
    ]
    naming = Naming(OtlpKeys(), "gosonde-collector", "here")

    def collect() -> int:
        now = replace(figures, families=tuple(goroutine_metrics(rows)))
        return sum(request.points for request in Translation(now, naming, time.time_ns(), Counts()).requests())

    return collect


def meter_providers() -> Callable[[], int]:
    """The same, with a meter provider of the SDK for each process."""
    readers = [InMemoryMetricReader() for _ in OWNERS]
    providers = [_provider(owner, reader) for owner, reader in zip(OWNERS, readers, strict=True)]

    def collect() -> int:
        return sum(map(_points, readers)) if providers else 0

    return collect


def _provider(owner: Owner, reader: InMemoryMetricReader) -> MeterProvider:
    provider = MeterProvider([reader], Resource({"host.name": owner.host, "process.pid": owner.pid}))
    meter = provider.get_meter("gosonde")
    places: list[dict[str, AnyValue]] = [
        {"code.function.name": f"main.serve{n}", "code.file.path": "/src/main.go", "code.line.number": n}
        for n in range(STATEMENTS)
    ]
    whole, by_site = [lambda _: [Observation(1)]], [lambda _: [Observation(1, place) for place in places]]
    meter.create_observable_up_down_counter("go.goroutine.count", whole)
    meter.create_observable_counter("go.memory.gc.cycles", whole)
    meter.create_observable_counter("gosonde.goroutine.created", by_site)
    meter.create_observable_counter("gosonde.goroutine.exited", by_site)
    meter.create_observable_up_down_counter("gosonde.goroutine.live", by_site)
    return provider


def _points(reader: InMemoryMetricReader) -> int:
    found = reader.get_metrics_data()
    scopes = [scope for of in found.resource_metrics for scope in of.scope_metrics] if found else []
    return sum(len(metric.data.data_points) for scope in scopes for metric in scope.metrics)


WAYS: Final = {"filled by us": data_model, "meter providers": meter_providers}


def _in_a_process(way: str) -> tuple[float, float]:
    """CPU seconds of one collection, and by how many MiB the process has grown after three."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.otlp", way], check=True, capture_output=True)
    seconds, size = json.loads(done.stdout)
    return seconds, size


def _measure(way: str) -> tuple[float, float]:
    before = _resident_mib()
    collect = WAYS[way]()
    for _ in range(3):
        began = time.process_time()
        points = collect()
        seconds = time.process_time() - began
    assert points == PROCESSES * (2 + 3 * STATEMENTS), points
    return seconds, _resident_mib() - before


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
