"""What is counted of exports. docs/metrics.md lists each."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gosonde_common.otlp.outcome import Reason

METRICS: Final = "metrics"
LOGS: Final = "logs"
SIGNALS: Final = (METRICS, LOGS)


class Counts(Collector):
    """Any thread may count, and any may read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent = Counter(dict.fromkeys(SIGNALS, 0))
        self._dropped: Counter[tuple[str, Reason]] = Counter()
        self._failures: Counter[tuple[str, Reason]] = Counter()
        self._accepted_at: dict[str, float] = {}
        self.queued = 0
        self.left_out = 0

    def sent(self, signal: str, number: int) -> None:
        """So many data points or log records were accepted."""
        with self._lock:
            self._sent[signal] += number
            self._accepted_at[signal] = time.monotonic()

    def dropped(self, signal: str, reason: Reason, number: int) -> None:
        """So many were not, and are not sent again."""
        with self._lock:
            self._dropped[signal, reason] += number

    def failed(self, signal: str, reason: Reason) -> None:
        """A request failed."""
        with self._lock:
            self._failures[signal, reason] += 1

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        sent = CounterMetricFamily(
            "gosonde_otlp_sent", "Data points and log records that a receiver of OTLP accepted.", labels=("signal",)
        )
        dropped = CounterMetricFamily(
            "gosonde_otlp_dropped",
            "Data points and log records that no receiver accepted and that are not sent again.",
            labels=("signal", "reason"),
        )
        failures = CounterMetricFamily(
            "gosonde_otlp_failures", "Exports by OTLP that failed.", labels=("signal", "reason")
        )
        age = GaugeMetricFamily(
            "gosonde_otlp_age_seconds", "Time since a receiver last accepted something.", labels=("signal",)
        )
        with self._lock:
            for signal, number in self._sent.items():
                sent.add_metric((signal,), number)
            for family, counted in ((dropped, self._dropped), (failures, self._failures)):
                for (signal, reason), number in sorted(counted.items()):
                    family.add_metric((signal, reason), number)
            for signal, at in self._accepted_at.items():
                age.add_metric((signal,), time.monotonic() - at)
        yield from (sent, dropped, failures, age)
        yield GaugeMetricFamily("gosonde_otlp_queued", "Log records that wait to be sent.", value=self.queued)
        yield GaugeMetricFamily(
            "gosonde_otlp_left_out",
            "Processes without figures of their own in the last export, because there are too many.",
            value=self.left_out,
        )
