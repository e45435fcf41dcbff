"""What Kubernetes calls the containers of processes, as a metric of an agent or a collector: of a bounded number."""

from collections.abc import Iterable
from itertools import islice

from prometheus_client.core import GaugeMetricFamily, Metric

from gosonde_common.gc_metrics import MAX_PROCESSES
from gosonde_common.owners import Owner


def container_metric(rows: Iterable[tuple[Owner, str]]) -> Metric:
    """gosonde_process_container_info: one sample for each process with a namespace, up to MAX_PROCESSES.

    Args:
        rows: Of each process that runs its labels and its workload.
    """
    family = GaugeMetricFamily(
        "gosonde_process_container_info",
        "1 for each process: what Kubernetes calls its container.",
        labels=(*Owner._fields, "workload"),
    )
    named = ((owner, workload) for owner, workload in rows if owner.namespace)
    for owner, workload in islice(named, MAX_PROCESSES):
        family.add_metric((*owner, workload), 1)
    return family
