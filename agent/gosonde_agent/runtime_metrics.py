"""What the agent tells Prometheus of the processes that it watches: goroutines, GC cycles and pauses."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from gosonde.goroutine_metrics import SiteRow, goroutine_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gosonde_agent.model import Observation, Pause, ProcessKey

#: Upper bounds in seconds.
BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.05, 0.1, 0.25, 1.0)
#: The phases of a collection that stop the world, by the runtime's reason. What stops it otherwise is no GC pause.
PHASES: Final = {"GC sweep termination": "sweep_termination", "GC mark termination": "mark_termination"}
#: Processes with a histogram of their own; there is none for those that come when it is full.
MAX_PROCESSES: Final = 500


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class PauseHistograms:
    """Every GC pause since the agent started, by process and phase."""

    def __init__(self) -> None:
        self._histograms: dict[ProcessKey, dict[str, _Histogram]] = {}

    def update(self, observation: Observation) -> None:
        """Takes each observation once; forgets processes that it no longer tells of."""
        for pause in observation.pauses:
            if phase := PHASES.get(pause.reason):
                self._observe(pause, phase)
        running = {process.key for process in observation.processes}
        self._histograms = {key: phases for key, phases in self._histograms.items() if key in running}

    def _observe(self, pause: Pause, phase: str) -> None:
        if pause.process in self._histograms or len(self._histograms) < MAX_PROCESSES:
            phases = self._histograms.setdefault(pause.process, {})
            phases.setdefault(phase, _Histogram()).observe(pause.duration_ns / 1e9)

    def metric(self, names: dict[ProcessKey, tuple[str, str]]) -> Metric:
        """gosonde_gc_pause_seconds; `names` are (pid, exe)."""
        family = HistogramMetricFamily(
            "gosonde_gc_pause_seconds", "Stops of the world by the GC.", labels=("pid", "exe", "phase")
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for key, phases in list(self._histograms.items()):
            for phase, histogram in phases.items():
                buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
                family.add_metric((*names.get(key, (str(key.pid), "")), phase), buckets, histogram.seconds)
        return family


def runtime_metrics(newest: Observation, pauses: PauseHistograms) -> Iterator[Metric]:
    """Everything of the processes in the newest observation."""
    names = {process.key: (str(process.key.pid), process.exe) for process in newest.processes}
    yield from goroutine_metrics(_rows(newest, names))
    cycles = CounterMetricFamily("gosonde_gc_cycles", "GC cycles since counting began.", labels=("pid", "exe"))
    for total in newest.gc_totals:
        cycles.add_metric(names.get(total.process, (str(total.process.pid), "")), total.cycles)
    yield cycles
    yield pauses.metric(names)
    yield from _cost_metrics(newest, names)


def _cost_metrics(newest: Observation, names: dict[ProcessKey, tuple[str, str]]) -> Iterator[Metric]:
    labels = ("pid", "exe")
    spent = CounterMetricFamily("gosonde_probe_seconds", "CPU time that probes cost a process.", labels=labels)
    cpu = CounterMetricFamily("gosonde_process_cpu_seconds", "CPU time of a process, probes included.", labels=labels)
    share = GaugeMetricFamily("gosonde_probe_overhead_ratio", "Of its CPU time, in the last seconds.", labels=labels)
    core = GaugeMetricFamily("gosonde_probe_core_ratio", "Of one core, in the last seconds.", labels=labels)
    for row in newest.probe_costs:
        of = names.get(row.process, (str(row.process.pid), ""))
        spent.add_metric(of, row.probe_ns / 1e9)
        cpu.add_metric(of, row.cpu_ns / 1e9)
        share.add_metric(of, row.target_ppm / 1e6)
        core.add_metric(of, row.core_ppm / 1e6)
    return iter((spent, cpu, share, core))


def _rows(newest: Observation, names: dict[ProcessKey, tuple[str, str]]) -> Iterable[SiteRow]:
    for row in newest.site_counts:
        site = row.site
        _, exe = names.get(row.process, ("", ""))
        place = f"{site.file}:{site.line}" if site.file else ""
        yield SiteRow("", row.process.pid, exe, site.function, place, row.created, row.exited, row.live)
