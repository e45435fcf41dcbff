"""Which container a process is in, for Prometheus: what Kubernetes calls it, where a container runtime is asked."""

from collections.abc import Iterator, Sequence

from gosonde_common.gc_metrics import MAX_PROCESSES
from gosonde_common.values.observation import Process
from prometheus_client.core import GaugeMetricFamily, Metric

LABELS = ("pid", "exe", "namespace", "pod", "container", "workload")


def container_metrics(processes: Sequence[Process]) -> Iterator[Metric]:
    """One sample for each process that runs in a named container, up to MAX_PROCESSES."""
    family = GaugeMetricFamily(
        "gosonde_process_container_info", "1 for each process: what Kubernetes calls its container.", labels=LABELS
    )
    running = [process for process in processes if not process.ended_unix_nano and not process.sums]
    for process in running[:MAX_PROCESSES]:
        if (names := process.container).namespace:
            labels = (names.namespace, names.pod, names.name, names.workload)
            family.add_metric((str(process.key.pid), process.exe, *labels), 1)
    yield family
