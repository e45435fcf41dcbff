"""What the collector exports to Prometheus about findings, every process that runs, and what agents lost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gosonde_common.build_metrics import build_metric
from gosonde_common.clock import steady_unix_nano
from gosonde_common.container_metrics import container_metric
from gosonde_common.gc_metrics import MAX_PROCESSES, cycles_metric
from gosonde_common.goroutine_metrics import goroutine_metrics
from gosonde_common.metrics import grouped
from gosonde_common.owners import owner_of
from gosonde_common.runtime_metrics import runtime_figure_metrics
from gosonde_common.timer_metrics import timer_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gosonde_collector.analysis import finding
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import Loss, ProcessFilter
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_info import finding_metric
from gosonde_collector.telemetry.site_rows import most, site_rows

PREFIX: Final = "gosonde_collector"
STATES: Final = (finding.OPENED, finding.GROWING, finding.STABLE, finding.RESOLVED, finding.WITHDRAWN)


class FindingMetrics(Collector):
    """Asks the analyst and what is kept in memory at each scrape; the store is not searched.

    What one of them cannot say costs that group of metrics alone.
    """

    def __init__(self, store: Store, analyst: Analyst, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry
        self._analyst = analyst

    def describe(self) -> Iterable[Metric]:
        """See prometheus_client: registering asks nothing of the store."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        store, telemetry = self._store, self._telemetry
        return grouped(
            build=lambda: [build_metric("collector")],
            findings=self._states,
            analysis=self._analysis,
            goroutines=self._goroutines,
            timers=self._timers,
            gc_pauses=lambda: [telemetry.pauses.metric(telemetry.running.is_running)],
            gc_cycles=self._cycles,
            containers=self._containers,
            runtimes=self._runtimes,
            clock_offsets=lambda: [_clock_offsets(telemetry.newest.offsets())],
            ages=lambda: _ages(telemetry.newest.ages(steady_unix_nano())),
            losses=lambda: [_losses(telemetry.newest.losses())],
            store_bytes=lambda: [GaugeMetricFamily(f"{PREFIX}_store_bytes", "Size of the store.", value=store.size())],
            disk_free=lambda: _disk_free(store.free()),
        )

    def _states(self) -> Iterator[Metric]:
        found = self._analyst.findings(ProcessFilter())
        states = Counter(one.state for one in found)
        muted = Counter(one.state for one in found if self._analyst.mutes.of(one))
        findings = GaugeMetricFamily(
            "gosonde_findings", "Findings by state, also those that are muted.", labels=("state",)
        )
        of_them = GaugeMetricFamily("gosonde_findings_muted", "Findings by state that are muted.", labels=("state",))
        for state in STATES:
            findings.add_metric((state,), states[state])
            of_them.add_metric((state,), muted[state])
        yield findings
        yield of_them
        yield finding_metric(found, self._analyst.mutes)

    def _analysis(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "gosonde_analysis_passed_over",
            "Sites that were not analysed because their process reports too many.",
            value=self._analyst.passed_over,
        )
        yield CounterMetricFamily(
            "gosonde_analysis_failures",
            "Steps of the analysis that failed for one site or process and were left out.",
            value=self._analyst.failures,
        )
        yield GaugeMetricFamily(
            "gosonde_analysis_age_seconds",
            "Time since the last analysis ended, or since the start if none has.",
            value=self._analyst.freshness.age_ns() / 1e9,
        )

    def _goroutines(self) -> Iterable[Metric]:
        with self._telemetry.running.reading() as (running, live):
            rows, elsewhere = site_rows(running, live, self._store.site_names)
        return goroutine_metrics(rows, elsewhere)

    def _timers(self) -> Iterator[Metric]:
        """As of the last analysis."""
        newest = self._analyst.timers.newest.values()
        return timer_metrics(
            (owner_of(of.host, of.process.key.pid, of.process.exe, of.process.container), read) for of, read in newest
        )

    def _cycles(self) -> Iterator[Metric]:
        with self._telemetry.running.reading() as (running, _):
            collecting = most(running, [totals.cycles for totals in running], MAX_PROCESSES)
            cycles = [(t.owner, t.cycles) for t in collecting if t.cycles]
        yield cycles_metric(cycles)

    def _runtimes(self) -> Iterator[Metric]:
        with self._telemetry.running.reading() as (running, _):
            known = [(totals.owner, totals.runtime_figures) for totals in running if totals.runtime_figures]
        return runtime_figure_metrics(known)

    def _containers(self) -> Iterator[Metric]:
        with self._telemetry.running.reading() as (running, _):
            named = [(totals.owner, totals.container.workload) for totals in running if totals.container.namespace]
        yield container_metric(named)


def _disk_free(free: int | None) -> list[Metric]:
    """Nothing where it is not known."""
    text = "Free space on the store's disk."
    return [] if free is None else [GaugeMetricFamily(f"{PREFIX}_disk_free_bytes", text, value=free)]


def _clock_offsets(nanoseconds_by_host: Mapping[str, int]) -> Metric:
    offsets = GaugeMetricFamily(
        "gosonde_collector_clock_offset_seconds",
        "How far a host's clock is ahead of the collector's.",
        labels=("host",),
    )
    for host, offset_ns in nanoseconds_by_host.items():
        offsets.add_metric((host,), offset_ns / 1e9)
    return offsets


def _ages(hosts: Mapping[str, tuple[int, bool]]) -> Iterable[Metric]:
    age = GaugeMetricFamily(
        "gosonde_observation_age_seconds", "Age of the newest observation of a host.", labels=("host",)
    )
    stale = GaugeMetricFamily(
        "gosonde_observation_stale", "1 when the next observation is long overdue, else 0.", labels=("host",)
    )
    for host, (age_ns, is_stale) in hosts.items():
        age.add_metric((host,), age_ns / 1e9)
        stale.add_metric((host,), is_stale)
    return age, stale


def _losses(losses: Iterable[Loss]) -> Metric:
    lost = CounterMetricFamily(
        "gosonde_agent_lost", "What agents could not count, read or keep, by counter.", labels=("host", "counter")
    )
    for loss in losses:
        lost.add_metric((loss.host, loss.name), loss.total)
    return lost
