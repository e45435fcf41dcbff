"""What the agent exports to Prometheus about the processes that it watches: goroutines, GC cycles and pauses."""

from collections.abc import Iterable, Iterator

from gosonde_common.container_metrics import container_metric
from gosonde_common.gc_metrics import PauseHistograms, cycles_metric
from gosonde_common.goroutine_metrics import Estimated, SiteRow, goroutine_metrics
from gosonde_common.metrics import Group
from gosonde_common.owners import Owner, owner_of
from gosonde_common.runtime_metrics import runtime_figure_metrics
from gosonde_common.timer_metrics import timer_metrics
from gosonde_common.values.observation import Observation, ProcessKey, TimerReading
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class Pauses:
    """Every GC pause since the agent started."""

    def __init__(self) -> None:
        self.histograms = PauseHistograms()

    def update(self, observation: Observation) -> None:
        """Takes each observation once; forgets processes that it no longer reports."""
        owners = _owners(observation)
        for known in owners.values():
            self.histograms.rename(known)
        for pause in observation.pauses:
            if owner := owners.get(pause.process):
                self.histograms.observe(owner, pause.reason, pause.duration_ns)
        self.histograms.keep(set(owners.values()).__contains__)


def runtime_metrics(newest: Observation, pauses: Pauses) -> dict[str, Group]:
    """Everything of the processes in the newest observation, by the name of its group."""
    owners = _owners(newest)
    totals = [total for total in newest.gc_totals if total.process in owners]
    return {
        "goroutines": lambda: goroutine_metrics(_rows(newest, owners)),
        "gc_cycles": lambda: [cycles_metric((owners[total.process], total.cycles) for total in totals)],
        "gc_pauses": lambda: [pauses.histograms.metric()],
        "probe_costs": lambda: _cost_metrics(newest, owners),
        "parks": lambda: _park_metrics(newest, owners),
        "timers": lambda: timer_metrics(_timers(newest, owners)),
        "runtimes": lambda: runtime_figure_metrics(
            (owners[row.process], row.runtime_figures) for row in newest.runtimes if row.process in owners
        ),
        "containers": lambda: [container_metric(_workloads(newest, owners))],
    }


def _owners(observation: Observation) -> dict[ProcessKey, Owner]:
    return {
        process.key: owner_of("", process.key.pid, process.exe, process.container) for process in observation.processes
    }


def _cost_metrics(newest: Observation, owners: dict[ProcessKey, Owner]) -> Iterator[Metric]:
    labels = Owner._fields
    spent = CounterMetricFamily("gosonde_probe_seconds", "CPU time that probes cost a process.", labels=labels)
    cpu = CounterMetricFamily("gosonde_process_cpu_seconds", "CPU time of a process, probes included.", labels=labels)
    share = GaugeMetricFamily(
        "gosonde_probe_overhead_ratio",
        "What probes cost a process in the last 5 s, as a part of its CPU time.",
        labels=labels,
    )
    core = GaugeMetricFamily(
        "gosonde_probe_core_ratio", "What probes cost a process in the last 5 s, as a part of one core.", labels=labels
    )
    for row in newest.probe_costs:
        of = owners.get(row.process, Owner("", str(row.process.pid), ""))
        spent.add_metric(of, row.probe_ns / 1e9)
        cpu.add_metric(of, row.cpu_ns / 1e9)
        share.add_metric(of, row.target_ppm / 1e6)
        core.add_metric(of, row.core_ppm / 1e6)
    return iter((spent, cpu, share, core))


def _park_metrics(newest: Observation, owners: dict[ProcessKey, Owner]) -> Iterator[Metric]:
    labels = (*Owner._fields, "wait_reason")
    parks = CounterMetricFamily("gosonde_parks", "How often goroutines parked, an estimate.", labels=labels)
    low = GaugeMetricFamily("gosonde_parks_low", "Lower 95 % bound of gosonde_parks_total.", labels=labels)
    high = GaugeMetricFamily(
        "gosonde_parks_high", "Upper 95 % bound of gosonde_parks_total; absent where there is none.", labels=labels
    )
    for row in newest.park_counts:
        of = (*owners.get(row.process, Owner("", str(row.process.pid), "")), row.wait_reason)
        parks.add_metric(of, row.parks)
        low.add_metric(of, row.parks_low)
        if row.parks_high is not None:
            high.add_metric(of, row.parks_high)
    return iter((parks, low, high))


def _workloads(newest: Observation, owners: dict[ProcessKey, Owner]) -> Iterator[tuple[Owner, str]]:
    """Of each process of its own that runs."""
    running = (process for process in newest.processes if not process.ended_unix_nano and not process.sums)
    return ((owners[process.key], process.container.workload) for process in running)


def _timers(newest: Observation, owners: dict[ProcessKey, Owner]) -> Iterator[tuple[Owner, TimerReading]]:
    return ((owners[row.process], row) for row in newest.timers if row.process in owners)


def _rows(newest: Observation, owners: dict[ProcessKey, Owner]) -> Iterable[SiteRow]:
    over = {process.key for process in newest.processes if process.sums}
    estimates = {(row.process, row.site.pc): row for row in newest.estimates}
    for row in newest.site_counts:
        site = row.site
        owner = owners.get(row.process, Owner("", str(row.process.pid), ""))
        live = 0 if row.process in over else row.live
        place = f"{site.file}:{site.line}" if site.file else ""
        found = estimates.get((row.process, site.pc))
        estimated = Estimated(*(getattr(found, name) for name in Estimated._fields)) if found else None
        yield SiteRow(owner, site.function, place, row.created, row.exited, live, estimated)
