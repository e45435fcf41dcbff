"""What the collector exports by OTLP: figures of the processes that run, and findings."""

import socket
from pathlib import Path

from gosonde_common.clock import steady_unix_nano
from gosonde_common.otlp.exporting import Exporting
from gosonde_common.otlp.keys import OtlpKeys
from gosonde_common.otlp.targets import MAX_TARGETS, Figures, Target

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_events import FindingEvents
from gosonde_collector.telemetry.finding_metrics import FindingMetrics
from gosonde_collector.telemetry.site_rows import most
from gosonde_collector.telemetry.totals import ProcessTotals


class Otlp:
    """Exports figures from a thread of its own, and a finding whenever an analysis gave it another state."""

    def __init__(self, folder: Path, telemetry: Telemetry, metrics: FindingMetrics, analyst: Analyst) -> None:
        self._telemetry = telemetry
        self._metrics = metrics
        self._analyst = analyst
        self._started_unix_nano = steady_unix_nano()
        self._exporting = Exporting(self.figures, "gosonde-collector", socket.gethostname())
        self._findings = FindingEvents(folder, self._exporting.events)
        telemetry.registry.register(self._exporting.counts)

    def apply(self, keys: OtlpKeys) -> None:
        """Exports from now on as the configuration says."""
        self._telemetry.are_pauses_asked_for |= bool(keys.otlp)
        self._exporting.apply(keys)

    def look(self) -> None:
        """An analysis has ended."""
        if self._exporting.is_on:
            self._findings.look(self._analyst.findings(ProcessFilter()))

    def close(self) -> None:
        """Exports nothing any more."""
        self._exporting.close()

    def figures(self) -> Figures:
        """As of the newest batches. Called from the thread that exports."""
        with self._telemetry.running.reading() as (running, _):
            chosen = most(running, [totals.live for totals in running], MAX_TARGETS)
            targets = [target_of(totals) for totals in chosen]
            left_out = len(running) - len(chosen)
        ages = {host: age for host, (age, _) in self._telemetry.newest.ages(steady_unix_nano()).items()}
        families = (*self._metrics.collect(), *self._exporting.counts.collect())
        return Figures(families, targets, ages, left_out, self._started_unix_nano)


def target_of(totals: ProcessTotals) -> Target:
    """A process that runs."""
    return Target(
        owner=totals.owner,
        boot_id=totals.key.boot_id,
        start_ticks=totals.key.start_ticks,
        go_version=totals.go_version,
        container=totals.container,
        since_unix_nano=totals.since_unix_nano,
        goroutines=totals.live,
        gc_cycles=totals.cycles,
        started_unix_nano=totals.started_unix_nano,
        runtime_figures=totals.runtime_figures,
    )
