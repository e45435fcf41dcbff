"""What the collector tells Prometheus of findings, and of the goroutines of every process that runs."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from gosonde.goroutine_metrics import SiteRow, goroutine_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gosonde_collector.analysis import finding
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model import ProcessFilter, SiteTotal
from gosonde_collector.store.protocol import Store

STATES: Final = (finding.OPENED, finding.GROWING, finding.STABLE, finding.RESOLVED)


class FindingMetrics(Collector):
    """Asks the store and the analyst at each scrape."""

    def __init__(self, store: Store, analyst: Analyst) -> None:
        self._store = store
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
        running = {
            (p.host, p.process.key) for p in self._store.processes(ProcessFilter()) if not p.process.ended_unix_nano
        }
        totals = self._store.sites(ProcessFilter())
        yield from goroutine_metrics(_row(total) for total in totals if (total.host, total.process) in running)


def _row(total: SiteTotal) -> SiteRow:
    site = total.site
    place = f"{site.file}:{site.line}" if site.file else ""
    live = total.baseline + total.created - total.exited
    return SiteRow(total.host, total.process.pid, total.exe, site.function, place, total.created, total.exited, live)
