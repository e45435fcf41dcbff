"""What the runtimes of processes say of themselves, as metrics of an agent or a collector: of a bounded number."""

from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gosonde_common.gc_metrics import MAX_PROCESSES
from gosonde_common.owners import Owner
from gosonde_common.values.runtime import SCHEDULE_BOUNDS_NS, UNLIMITED, RuntimeFigures

GAUGES: Final = {
    "gosonde_go_goroutines": ("goroutines", 1, "Live goroutines, as the runtime counts them."),
    "gosonde_go_memory_limit_bytes": ("memory_limit_bytes", 1, "GOMEMLIMIT; absent where there is none."),
    "gosonde_go_memory_gc_goal_bytes": ("gc_goal_bytes", 1, "How large the heap may become in this GC cycle."),
    "gosonde_go_config_gogc_ratio": ("gogc_percent", 100, "GOGC as a ratio, 1 for 100; absent when it is off."),
    "gosonde_go_processor_limit": ("processors", 1, "GOMAXPROCS."),
    "gosonde_go_read_timestamp_seconds": ("read_unix_nano", 10**9, "When these figures were read, since the epoch."),
}
COUNTERS: Final = {
    "gosonde_go_memory_allocated_bytes": ("allocated_bytes", 1, "Bytes of the heap that were ever allocated."),
    "gosonde_go_memory_allocations": ("allocations", 1, "Objects of the heap that were ever allocated."),
    "gosonde_go_memory_gc_cycles": ("gc_cycles", 1, "GC cycles since the process began."),
    "gosonde_go_memory_gc_pause_seconds": ("gc_pause_ns", 10**9, "How long the GC stopped the world."),
}


def runtime_figure_metrics(rows: Iterable[tuple[Owner, RuntimeFigures]]) -> Iterator[Metric]:
    """The figures of up to MAX_PROCESSES processes, those that were read last first. What is not known is absent."""
    newest = sorted(rows, key=lambda row: -row[1].read_unix_nano)
    shown = list(dict(reversed(list(islice(newest, MAX_PROCESSES)))).items())
    used = GaugeMetricFamily(
        "gosonde_go_memory_used_bytes", "Memory that the runtime has of the kernel.", labels=(*Owner._fields, "type")
    )
    for owner, row in shown:
        for kind, value in (("stack", row.stack_bytes), ("other", row.other_bytes)):
            if value is not None:
                used.add_metric((*owner, kind), value)
    yield used
    for name, (field, unit, help_) in GAUGES.items():
        yield _filled(GaugeMetricFamily(name, help_, labels=Owner._fields), shown, field, unit)
    for name, (field, unit, help_) in COUNTERS.items():
        yield _filled(CounterMetricFamily(name, help_, labels=Owner._fields), shown, field, unit)
    yield _schedule(shown)


def _schedule(rows: Iterable[tuple[Owner, RuntimeFigures]]) -> Metric:
    """The runtime keeps no sum, and counts without one are no `_count`."""
    family = HistogramMetricFamily(
        "gosonde_go_schedule_duration_seconds", "How long goroutines waited until they ran.", labels=Owner._fields
    )
    bounds = [*(str(bound / 1e9) for bound in SCHEDULE_BOUNDS_NS), "+Inf"]
    for owner, row in rows:
        if row.schedule_durations is not None:
            family.add_metric(owner, list(zip(bounds, accumulate(row.schedule_durations), strict=True)), None)
    return family


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily,
    rows: Iterable[tuple[Owner, RuntimeFigures]],
    field: str,
    unit: int,
) -> Metric:
    for owner, row in rows:
        value = getattr(row, field)
        if value not in (None, UNLIMITED):
            family.add_metric(owner, value / unit if unit > 1 else value)
    return family
