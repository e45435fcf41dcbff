"""What the agent says of itself to Prometheus, and whether it is ready. docs/metrics.md lists each."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from gosonde_common.build_metrics import build_metric
from gosonde_common.clock import steady_unix_nano
from gosonde_common.metrics import grouped
from gosonde_common.staleness import is_stale
from gosonde_common.values.observation import Observation
from gosonde_common.values.status import AgentStatus, UplinkStatus
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gosonde_agent.host.spending import Spending
from gosonde_agent.model.losses import LOSSES
from gosonde_agent.model.spool_state import SpoolState
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.runtime_metrics import Pauses, runtime_metrics

PREFIX = "gosonde_agent"


class AgentMetrics(Collector):
    """Reads at each scrape what the agent knows then; called from another thread, it changes nothing.

    Attributes:
        exports: What is counted of exports, once there are any.
    """

    def __init__(
        self,
        latest: Latest,
        status: Callable[[], AgentStatus],
        spool: Callable[[], SpoolState],
        refused: Mapping[str, int],
        spending: Callable[[], Spending | None],
    ) -> None:
        self._latest = latest
        self._pauses = Pauses()
        latest.follow(self._pauses.update)
        self._status = status
        self._spool = spool
        self._refused = refused
        self._spending = spending
        self.exports: Collector | None = None

    def registry(self) -> CollectorRegistry:
        """A registry with these metrics alone."""
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def unready(self) -> list[str]:
        """Why the agent is not ready; empty when it is. A collector that is away is no reason: the spool is there."""
        return [] if self._latest.current(None).taken_unix_nano else ["nothing was observed yet"]

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        newest = self._latest.current(None)
        return grouped(
            build=lambda: [build_metric("agent")],
            losses=lambda: _losses(newest),
            processes=lambda: _processes(newest),
            spool=lambda: _spool_metrics(self._spool()),
            uplink=lambda: _uplink_metrics(self._status().uplink),
            probes=lambda: _without_probes(self._status()),
            age=lambda: _age(newest),
            refusals=lambda: _refusals(self._refused),
            spending=lambda: _spending_metrics(self._spending()),
            exports=lambda: self.exports.collect() if self.exports else (),
            **runtime_metrics(newest, self._pauses),
        )


def _losses(newest: Observation) -> Iterator[Metric]:
    lost = CounterMetricFamily(
        f"{PREFIX}_lost", "What the agent could not count, read or keep, by counter.", labels=["counter"]
    )
    for name in LOSSES:
        lost.add_metric([name], newest.losses.get(name, 0))
    yield lost


def _processes(newest: Observation) -> Iterator[Metric]:
    ended = sum(process.ended_unix_nano > 0 for process in newest.processes)
    refused = sum(bool(process.refusal) and not process.ended_unix_nano for process in newest.processes)
    processes = GaugeMetricFamily(f"{PREFIX}_processes", "Go processes by state: watched or refused.", labels=["state"])
    processes.add_metric(["watched"], len(newest.processes) - refused - ended)
    processes.add_metric(["refused"], refused)
    yield processes
    yield GaugeMetricFamily(f"{PREFIX}_sites", "Rows of site totals.", value=len(newest.site_counts))


def _spool_metrics(spool: SpoolState) -> Iterator[Metric]:
    yield GaugeMetricFamily(f"{PREFIX}_spool_bytes", "Size of what waits for a collector.", value=spool.bytes)
    yield GaugeMetricFamily(
        f"{PREFIX}_spool_in_memory",
        "1 when the spool is in memory because the disk could not be written at the start, else 0.",
        value=spool.is_in_memory,
    )


def _uplink_metrics(uplink: UplinkStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        f"{PREFIX}_collector_connected", "1 while connected to a collector, else 0.", value=uplink.connected
    )
    yield CounterMetricFamily(f"{PREFIX}_batches_sent", "Batches sent in this run.", value=uplink.last_sequence)
    yield CounterMetricFamily(
        f"{PREFIX}_batches_acknowledged", "Batches acknowledged in this run.", value=uplink.acknowledged_sequence
    )


def _without_probes(status: AgentStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        f"{PREFIX}_without_probes",
        "1 when no probes can be placed on this host, so that the agent only reads memory; else 0.",
        value=bool(status.no_probes_because),
    )


def _age(newest: Observation) -> Iterator[Metric]:
    age_ns = max(steady_unix_nano() - newest.taken_unix_nano, 0) if newest.taken_unix_nano else 0
    yield GaugeMetricFamily("gosonde_observation_age_seconds", "Age of the newest observation.", value=age_ns / 1e9)
    yield GaugeMetricFamily(
        "gosonde_observation_stale",
        "1 when the next observation is long overdue, else 0.",
        value=is_stale(age_ns, newest.interval_ns),
    )


def _refusals(refused: Mapping[str, int]) -> Iterator[Metric]:
    refusals = CounterMetricFamily(
        f"{PREFIX}_refused", "Local connections and calls that were refused.", labels=["reason"]
    )
    for reason, count in sorted(refused.items()):
        refusals.add_metric([reason], count)
    yield refusals


def _spending_metrics(spending: Spending | None) -> Iterator[Metric]:
    if spending is None:
        return  # the agent is starting
    yield GaugeMetricFamily(
        f"{PREFIX}_cpu_ratio",
        "CPU time of agent and helper in the last minute, as a part of one core.",
        value=spending.share(),
    )
    put_off = CounterMetricFamily(
        f"{PREFIX}_put_off_seconds", "For how long work had to wait because max_agent_cpu was reached.", labels=["work"]
    )
    for work, seconds in sorted(spending.put_off.items()):
        put_off.add_metric([work], seconds)
    yield put_off
