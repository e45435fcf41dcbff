"""Which container a process is in, for Prometheus: what Kubernetes calls it, where a container runtime is asked."""

from collections.abc import Iterator, Sequence

from gosonde_common.errors import GosondeError, UnavailableError
from gosonde_common.gc_metrics import MAX_PROCESSES
from gosonde_common.values.observation import Process
from prometheus_client.core import GaugeMetricFamily, Metric

from gosonde_agent.discovery import facts, named
from gosonde_agent.host import procfs
from gosonde_agent.model.container_names import ContainerNames

LABELS = ("pid", "exe", "namespace", "pod", "container", "workload")


def container_metrics(processes: Sequence[Process]) -> Iterator[Metric]:
    """One sample for each process that runs in a named container, up to MAX_PROCESSES. Not for the event loop."""
    family = GaugeMetricFamily(
        "gosonde_process_container_info", "1 for each process: what Kubernetes calls its container.", labels=LABELS
    )
    running = [process for process in processes if not process.ended_unix_nano and not process.sums]
    for process in running[:MAX_PROCESSES]:
        try:
            names = _names(process)
        except UnavailableError:
            break  # asked again at the next scrape
        if names:
            labels = (names.namespace, names.pod, names.container, names.workload)
            family.add_metric((str(process.key.pid), process.exe, *labels), 1)
    yield family


def _names(process: Process) -> ContainerNames | None:
    """None where there are none, or the number is another process's by now."""
    found = sorted(facts.containers(process.key.pid))
    try:
        same = procfs.start_of(process.key.pid).ticks == process.key.start_ticks
    except GosondeError:
        return None
    # With one container in another the path has both; which one the names are for would be a guess.
    return named.current().names(found[0]) if same and len(found) == 1 else None
