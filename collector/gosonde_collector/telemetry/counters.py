"""What the collector counts of itself. docs/metrics.md lists each."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import NotFoundError, OverloadedError, UnavailableError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import Batch, ProcessFilter
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.newest import Newest
from gosonde_collector.telemetry.pause_metrics import BatchPauses
from gosonde_collector.telemetry.running import RunningTotals

log = structlog.get_logger(__name__)

#: Seconds; acknowledgements are to stay below one.
ACKNOWLEDGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: What held before a moment behind the newest batch: all totals.
NO_LOOKBACK_NS = -1
#: Seconds between the taking of a profile and its arrival; beyond 600 it is of no use any more.
AGE_BUCKETS = (0.0, 0.1, 1.0, 5.0, 30.0, 60.0, 300.0, 600.0, 3600.0)
#: What may be refused: profiles that people push, that agents take, gctrace logs, and the output of a compiler.
EVIDENCE = ("profile", "snapshot", "gctrace", "escapes")
#: What may be beyond a quota; totals of sites are part of a sum, or of none.
BEYOND_QUOTA = (
    *("processes", "sites_summed", "sites_left_out", "losses", "wait_reasons", "proofs", "estimates"),
    "audit_events",
)


class Telemetry:
    """The collector's metrics, in a registry of their own.

    Attributes:
        running: The totals of all processes that run.
        newest: What agents and their clocks said last.
        pauses: The GC pauses in what was stored; none where nobody asks, because it is asking that forgets some.
        are_pauses_asked_for: Whether somebody asks.
    """

    def __init__(self, *, are_pauses_asked_for: bool = True) -> None:
        self.are_pauses_asked_for = are_pauses_asked_for
        self.registry = CollectorRegistry()
        prefix = "gosonde_collector"
        self.agents = Gauge(f"{prefix}_agents", "Agents that are connected.", registry=self.registry)
        self.batches = Counter(f"{prefix}_batches", "Batches that were stored.", registry=self.registry)
        self.rows = Counter(f"{prefix}_rows", "Rows of site totals that were stored.", registry=self.registry)
        self.acknowledge_seconds = Histogram(
            f"{prefix}_acknowledge_seconds",
            "Time from a batch's arrival to its acknowledgement.",
            buckets=ACKNOWLEDGE_BUCKETS,
            registry=self.registry,
        )
        self.handshakes = Counter(
            f"{prefix}_tls_handshakes", "TLS handshakes begun, including failed ones.", registry=self.registry
        )
        self.expired = Counter(
            f"{prefix}_clean_ups", "Rounds in which old or excess data was deleted.", registry=self.registry
        )
        self.lost = Counter(
            f"{prefix}_store_failures",
            "Batches that could not be stored, and were not acknowledged.",
            registry=self.registry,
        )
        self._refused = Counter(
            f"{prefix}_refused", "Calls that were refused.", ("service", "status"), registry=self.registry
        )
        self._beyond_quota = Counter(
            f"{prefix}_beyond_quota",
            "Elements that agents sent beyond their quotas.",
            ("what",),
            registry=self.registry,
        )
        for what in BEYOND_QUOTA:
            self._beyond_quota.labels(what)
        self._connections_closed = Counter(
            f"{prefix}_connections_closed",
            "Connections that the collector closed because a limit was exceeded.",
            ("reason",),
            registry=self.registry,
        )
        self._evidence_refused = Counter(
            f"{prefix}_evidence_refused",
            "Profiles and gctrace logs that were refused.",
            ("kind", "reason"),
            registry=self.registry,
        )
        for kind in EVIDENCE:
            for reason in Refusal:
                self._evidence_refused.labels(kind, reason)
        self._evidence_age = Histogram(
            f"{prefix}_evidence_age_seconds",
            "Age of evidence on arrival, by the clock of its host.",
            ("kind",),
            buckets=AGE_BUCKETS,
            registry=self.registry,
        )
        self._snapshots = Counter(
            f"{prefix}_snapshots",
            "Snapshots that the collector requested from agents on its own.",
            ("reason", "kind", "result"),
            registry=self.registry,
        )
        self._routine_failures = Counter(
            f"{prefix}_routine_failures",
            "Rounds of the collector's routine work that failed.",
            ("work",),
            registry=self.registry,
        )
        self.running = RunningTotals()
        self.newest = Newest()
        self._left_out = Counter(
            f"{prefix}_left_out",
            "Invalid elements of batches that were not stored.",
            ("table",),
            registry=self.registry,
        )
        self.pauses = BatchPauses()

    def seed(self, store: Store) -> None:
        """What the store says of processes that run and of losses, before the first batch comes: it is asked once."""
        self.running.seed(store.running(), store.base_counters(NO_LOOKBACK_NS), store.gc_totals())
        self.newest.seed(store.processes(ProcessFilter()), store.losses())

    def routine_failed(self, work: str) -> None:
        """A round of the collector's own work failed."""
        self._routine_failures.labels(work).inc()

    def refused(self, method: str, status: grpc.StatusCode) -> None:
        """A call was refused."""
        self._refused.labels(method.split("/")[1], status.name).inc()

    def beyond_quota(self, what: str, number: int) -> None:
        """So many of BEYOND_QUOTA were sent."""
        self._beyond_quota.labels(what).inc(number)

    def connection_closed(self, reason: str) -> None:
        """A connection was closed: `connections`, `memory` or `unfinished` (gosonde_common.connections)."""
        self._connections_closed.labels(reason).inc()

    @contextmanager
    def evidence(self, kind: str, host: str, pid: int) -> Iterator[None]:
        """Around the processing of evidence of a kind in EVIDENCE: counts and logs its refusal, and raises it on."""
        try:
            yield
        except (ProfileError, NotFoundError, UnavailableError, OverloadedError) as error:
            reason = _reason(error)
            self._evidence_refused.labels(kind, reason).inc()
            log.warning("evidence refused", kind=kind, host=host, pid=pid, reason=reason, message=str(error))
            raise

    def evidence_age(self, kind: str, age_ns: int) -> None:
        """Evidence was accepted that was so old."""
        self._evidence_age.labels(kind).observe(age_ns / 1e9)

    def asked(self, reason: str, kind: str, result: str) -> None:
        """A snapshot was asked for on suspicion or by schedule, and was taken or has failed."""
        self._snapshots.labels(reason, kind, result).inc()

    def stored(self, batch: Batch) -> None:
        """A batch was stored."""
        self.batches.inc()
        self.rows.inc(len(batch.site_counters["process"]))
        self.newest.take(batch, steady_unix_nano())
        for table, elements in batch.left_out.items():
            self._left_out.labels(table).inc(elements)
        if self.are_pauses_asked_for:
            self.pauses.take(batch)


def _reason(error: Exception) -> Refusal:
    if isinstance(error, ProfileError):
        return error.reason
    return Refusal.UNKNOWN_PROCESS if isinstance(error, NotFoundError) else Refusal.NOT_TAKEN
