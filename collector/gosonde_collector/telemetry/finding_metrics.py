"""What the collector exports to Prometheus about findings, every process that runs, and what agents lost."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from gosonde_common.clock import steady_unix_nano
from gosonde_common.gc_metrics import MAX_PROCESSES, cycles_metric
from gosonde_common.goroutine_metrics import goroutine_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gosonde_collector.analysis import finding
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import Loss, ProcessFilter
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.pause_metrics import owner
from gosonde_collector.telemetry.site_rows import most, site_rows

STATES: Final = (finding.OPENED, finding.GROWING, finding.STABLE, finding.RESOLVED, finding.WITHDRAWN)


class FindingMetrics(Collector):
    """Asks the analyst and what is kept in memory at each scrape; the store is not searched."""

    def __init__(self, store: Store, analyst: Analyst, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry
        self._analyst = analyst

    def describe(self) -> Iterable[Metric]:
        """See prometheus_client: registering asks nothing of the store."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        states = Counter(found.state for found in self._analyst.findings(ProcessFilter()))
        findings = GaugeMetricFamily("gosonde_findings", "Findings by state.", labels=("state",))
        for state in STATES:
            findings.add_metric((state,), states[state])
        yield findings
        yield GaugeMetricFamily(
            "gosonde_analysis_passed_over",
            "Totals of sites that were not analysed, because their process claims too many sites.",
            value=self._analyst.passed_over,
        )
        yield GaugeMetricFamily(
            "gosonde_analysis_age_seconds",
            "Since the last analysis ended, or since the start while none has.",
            value=self._analyst.freshness.age_ns() / 1e9,
        )
        with self._telemetry.running.reading() as (running, live):
            rows, elsewhere = site_rows(running, live, self._store.site_names)
            collecting = most(running, [totals.cycles for totals in running], MAX_PROCESSES)
            cycles = [(owner(t.stream.host, t.key, t.exe), t.cycles) for t in collecting if t.cycles]
        yield from goroutine_metrics(rows, elsewhere)
        yield self._telemetry.pauses.metric(self._telemetry.running.is_running)
        yield cycles_metric(cycles)
        offsets = GaugeMetricFamily(
            "gosonde_collector_clock_offset_seconds",
            "By how much a host's clock is ahead of the collector's.",
            labels=("host",),
        )
        for host, offset_ns in self._telemetry.newest.offsets().items():
            offsets.add_metric((host,), offset_ns / 1e9)
        yield offsets
        yield from _ages(self._telemetry.newest.ages(steady_unix_nano()))
        yield _losses(self._telemetry.newest.losses())


def _ages(hosts: Mapping[str, tuple[int, bool]]) -> Iterable[Metric]:
    age = GaugeMetricFamily(
        "gosonde_observation_age_seconds", "How old what is said of a host's processes is.", labels=("host",)
    )
    stale = GaugeMetricFamily(
        "gosonde_observation_stale", "1 when another observation should have come long ago.", labels=("host",)
    )
    for host, (age_ns, is_stale) in hosts.items():
        age.add_metric((host,), age_ns / 1e9)
        stale.add_metric((host,), is_stale)
    return age, stale


def _losses(losses: Iterable[Loss]) -> Metric:
    lost = CounterMetricFamily(
        "gosonde_agent_lost", "What agents could not see or keep, by name.", labels=("host", "counter")
    )
    for loss in losses:
        lost.add_metric((loss.host, loss.name), loss.total)
    return lost
