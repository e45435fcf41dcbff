"""What the collector exports to Prometheus about findings, every process that runs, and what agents lost."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from gosonde_common.gc_metrics import cycles_metric
from gosonde_common.goroutine_metrics import SiteRow, goroutine_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gosonde_collector.analysis import finding
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import Loss, ProcessFilter, SiteTotal
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.pause_metrics import BatchPauses, owner

STATES: Final = (finding.OPENED, finding.GROWING, finding.STABLE, finding.RESOLVED, finding.WITHDRAWN)


class FindingMetrics(Collector):
    """Asks the store and the analyst at each scrape."""

    def __init__(self, store: Store, analyst: Analyst, pauses: BatchPauses) -> None:
        self._store = store
        self._pauses = pauses
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
        running = [known for known in self._store.processes(ProcessFilter()) if not known.process.ended_unix_nano]
        alive = {(known.host, known.process.key) for known in running}
        totals = self._store.sites(ProcessFilter())
        yield from goroutine_metrics(_row(total) for total in totals if (total.host, total.process) in alive)
        yield self._pauses.metric(running)
        yield cycles_metric((owner(gc.host, gc.process, gc.exe), gc.cycles) for gc in self._store.gc_totals())
        offsets = GaugeMetricFamily(
            "gosonde_collector_clock_offset_seconds",
            "By how much a host's clock is ahead of the collector's.",
            labels=("host",),
        )
        for host, offset_ns in self._store.clock_offsets().items():
            offsets.add_metric((host,), offset_ns / 1e9)
        yield offsets
        yield _losses(self._store.losses())


def _losses(losses: Iterable[Loss]) -> Metric:
    lost = CounterMetricFamily(
        "gosonde_agent_lost", "What agents could not see or keep, by name.", labels=("host", "counter")
    )
    for loss in losses:
        lost.add_metric((loss.host, loss.name), loss.total)
    return lost


def _row(total: SiteTotal) -> SiteRow:
    site = total.site
    place = f"{site.file}:{site.line}" if site.file else ""
    live = total.baseline + total.created - total.exited
    return SiteRow(total.host, total.process.pid, total.exe, site.function, place, total.created, total.exited, live)
