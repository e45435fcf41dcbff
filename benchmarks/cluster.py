"""From `helm install` in a cluster of one node to the first finding of a leak of ten goroutines a second.

The images are on the node already, and the pod that leaks runs. Times end when
`gosonde findings`, asked once a second in the collector's pod, has the leak.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.booted_system import eventually
from tests.cluster import images
from tests.cluster.cluster import Cluster
from tests.cluster.release import Release, shop

ROUNDS, QUICK_ROUNDS = 5, 1
PATIENCE_SECONDS: Final = 900.0


def cluster(effort: Effort) -> Iterator[Row]:
    """A new cluster in each round."""
    with tempfile.TemporaryDirectory() as folder:
        archives = images.built(Path(folder))
        took = [_one(archives) for _ in range(ROUNDS if effort.thorough else QUICK_ROUNDS)]
    yield Row("cluster", "helm install to ready pods", "s", tuple(ready for ready, _ in took))
    yield Row("cluster", "helm install to the finding", "s", tuple(found for _, found in took))


def _one(archives: Sequence[Path]) -> tuple[float, float]:
    """Seconds until agent and collector are ready, and until there is a finding."""
    with (
        tempfile.TemporaryDirectory(prefix="gosonde-k.") as folder,
        tempfile.TemporaryDirectory() as certificates,
        Cluster(Path(folder), archives) as running,
    ):
        running.apply(*shop())
        running.kubectl("--namespace=shop", "rollout", "status", "deployment/checkout", "--timeout=600s")
        release = Release(running, Path(certificates))
        began = time.monotonic()
        release.install()
        release.await_pods()
        ready = time.monotonic() - began
        eventually(lambda: _is_found(release), "a leak is found", PATIENCE_SECONDS)
        return ready, time.monotonic() - began


def _is_found(release: Release) -> bool:
    time.sleep(1.0)
    return any(one["site"]["function"] == "main.leak" for one in release.asked("findings"))
