"""GC cycles and pauses by process, as Prometheus metrics: a bounded number of processes, the rest of a host summed."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from gosonde_common.owners import Owner

#: Upper bounds in seconds.
BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.05, 0.1, 0.25, 1.0)
#: The phases of a collection that stop the world, by the runtime's reason. What stops it otherwise is no GC pause.
PHASES: Final = {"GC sweep termination": "sweep_termination", "GC mark termination": "mark_termination"}
#: Processes with metrics of their own.
MAX_PROCESSES: Final = 500


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class _Pauses:
    """Those of a process by phase."""

    owner: Owner
    phases: dict[str, _Histogram] = field(default_factory=dict)


class PauseHistograms:
    """Stop-the-world pauses by the GC, by process and phase. One thread writes; any may read meanwhile."""

    def __init__(self, max_processes: int = MAX_PROCESSES) -> None:
        self._max = max_processes
        self._own: dict[tuple[str, str, str], _Pauses] = {}
        self._others: dict[str, _Pauses] = {}

    def observe(self, owner: Owner, reason: str, duration_ns: int) -> None:
        """Counts one stop, unless the GC did not make it."""
        if phase := PHASES.get(reason):
            self._of(owner).phases.setdefault(phase, _Histogram()).observe(duration_ns / 1e9)

    def rename(self, owner: Owner) -> None:
        """Gives the pauses of a process its labels of now: names of containers become known late."""
        if known := self._own.get(owner.process):
            known.owner = owner

    def keep(self, is_wanted: Callable[[Owner], bool]) -> None:
        """Forgets the other processes."""
        self._own = {process: known for process, known in self._own.items() if is_wanted(known.owner)}

    def metric(self) -> Metric:
        """gosonde_gc_pause_seconds."""
        family = HistogramMetricFamily(
            "gosonde_gc_pause_seconds", "Stop-the-world pauses by the GC.", labels=(*Owner._fields, "phase")
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for known in [*self._own.values(), *self._others.values()]:
            for phase, histogram in list(known.phases.items()):
                buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
                family.add_metric((*known.owner, phase), buckets, histogram.seconds)
        return family

    def _of(self, owner: Owner) -> _Pauses:
        if owner.process in self._own or len(self._own) < self._max:
            return self._own.setdefault(owner.process, _Pauses(owner))
        return self._others.setdefault(owner.host, _Pauses(owner.others))


def cycles_metric(totals: Iterable[tuple[Owner, int]]) -> Metric:
    """gosonde_gc_cycles_total, of the processes with the most cycles.

    A sum over the others would be no counter: it would fall when one of them gets its own.
    """
    family = CounterMetricFamily("gosonde_gc_cycles", "GC cycles since counting began.", labels=Owner._fields)
    sums: dict[Owner, int] = defaultdict(int)
    for owner, cycles in sorted(totals, key=lambda total: -total[1])[:MAX_PROCESSES]:
        sums[owner] += cycles
    for owner, cycles in sums.items():
        family.add_metric(owner, cycles)
    return family
