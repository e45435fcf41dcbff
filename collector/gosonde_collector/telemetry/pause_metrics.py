"""GC pauses of all processes since the collector started, for Prometheus, counted as batches are stored."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gosonde_common.gc_metrics import PauseHistograms
from gosonde_common.owners import owner_of
from prometheus_client.core import Metric

from gosonde_collector.model.values import Batch, ProcessKey

#: Processes whose pauses are told apart from ones that were counted; the one that stopped longest ago is forgotten.
MAX_IMAGES: Final = 100_000

#: Of a host and a pid.
IsRunning = Callable[[str, int], bool]
_Image = tuple[str, str, ProcessKey]


class BatchPauses:
    """Counts each pause once, however often agents send it: pauses of a process come in their order."""

    def __init__(self) -> None:
        self._histograms = PauseHistograms()
        self._counted: OrderedDict[_Image, int] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, batch: Batch) -> None:
        """Records what was stored."""
        rows = [batch.pauses[name].tolist() for name in ("process", "ordinal", "duration_ns", "reason")]
        owners = [owner_of(batch.stream.host, one.key.pid, one.exe, one.container) for one in batch.processes]
        with self._lock:
            for owner in owners:
                self._histograms.rename(owner)
            for process, ordinal, duration_ns, reason in zip(*rows, strict=True):
                described = batch.processes[process]
                image = batch.stream.host, batch.stream.agent_epoch, described.key
                if ordinal >= self._counted.get(image, 0):
                    self._counted[image] = ordinal + 1
                    self._counted.move_to_end(image)
                    if len(self._counted) > MAX_IMAGES:
                        self._counted.popitem(last=False)
                    self._histograms.observe(owners[process], reason, duration_ns)

    def metric(self, is_running: IsRunning) -> Metric:
        """gosonde_gc_pause_seconds; forgets the processes that do not run any more."""
        with self._lock:
            self._histograms.keep(lambda owner: is_running(owner.host, int(owner.pid)))
            return self._histograms.metric()
