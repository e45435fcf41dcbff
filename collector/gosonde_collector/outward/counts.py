"""What is counted of each receiver. docs/metrics.md describes each."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

PREFIX: Final = "gosonde_collector_outward"
#: Why something is given up.
TOO_MANY, REFUSED, TEMPLATE = "too_many", "refused", "template"
REPLACED, EXPIRED, TOO_LARGE = "replaced", "expired", "too_large"
OF: Final = ("kind", "to")


class Counts:
    """In the collector's registry; `to` is scheme, host and port of a receiver that the configuration names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter(f"{PREFIX}_sent", "Messages that others have taken.", OF, registry=registry)
        self.skipped = Counter(f"{PREFIX}_skipped", "Messages that the template leaves empty.", OF, registry=registry)
        self.failures = Counter(
            f"{PREFIX}_failures",
            "Requests to others that failed, and are made again unless they are dropped.",
            (*OF, "reason"),
            registry=registry,
        )
        self.dropped = Counter(
            f"{PREFIX}_dropped", "Messages that others will never get.", (*OF, "reason"), registry=registry
        )
        self.waiting = Gauge(f"{PREFIX}_waiting", "Messages that others have not taken yet.", OF, registry=registry)
        self.succeeded = Gauge(
            f"{PREFIX}_last_success_timestamp_seconds",
            "When a receiver took something last; 0 if it has not since the collector started.",
            OF,
            registry=registry,
        )

    def begin(self, kind: str, to: str) -> None:
        """Shows a receiver from its beginning."""
        for counter in (self.sent, self.skipped):
            counter.labels(kind, to)
        for reason in (TOO_MANY, REFUSED):
            self.dropped.labels(kind, to, reason)
        self.waiting.labels(kind, to)
        self.succeeded.labels(kind, to)

    def succeeded_now(self, kind: str, to: str, messages: int = 1) -> None:
        """A receiver has taken so many."""
        self.sent.labels(kind, to).inc(messages)
        self.succeeded.labels(kind, to).set_to_current_time()
