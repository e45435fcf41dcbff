"""GC pauses of all processes since the collector started, for Prometheus, counted as batches are stored."""

import threading
from collections.abc import Iterable

from gosonde_common.gc_metrics import Owner, PauseHistograms
from prometheus_client.core import Metric

from gosonde_collector.model.values import Batch, KnownProcess, ProcessKey

_Image = tuple[str, str, ProcessKey]


def owner(host: str, key: ProcessKey, exe: str) -> Owner:
    """The labels of a process."""
    return Owner(host, str(key.pid), exe)


class BatchPauses:
    """Counts each pause once, however often agents send it: pauses of a process come in their order."""

    def __init__(self) -> None:
        self._histograms = PauseHistograms()
        self._counted: dict[_Image, int] = {}
        self._lock = threading.Lock()

    def take(self, batch: Batch) -> None:
        """Records what was stored."""
        rows = [batch.pauses[name].tolist() for name in ("process", "ordinal", "duration_ns", "reason")]
        with self._lock:
            for process, ordinal, duration_ns, reason in zip(*rows, strict=True):
                described = batch.processes[process]
                image = batch.stream.host, batch.stream.agent_epoch, described.key
                if ordinal >= self._counted.get(image, 0):
                    self._counted[image] = ordinal + 1
                    whose = owner(batch.stream.host, described.key, described.exe)
                    self._histograms.observe(whose, reason, duration_ns)

    def metric(self, running: Iterable[KnownProcess]) -> Metric:
        """gosonde_gc_pause_seconds; forgets the processes that do not run any more."""
        running = list(running)
        alive = {(known.host, known.process.key) for known in running}
        owners = {owner(known.host, known.process.key, known.process.exe) for known in running}
        with self._lock:
            self._counted = {image: count for image, count in self._counted.items() if (image[0], image[2]) in alive}
            self._histograms.keep(owners)
            return self._histograms.metric()
