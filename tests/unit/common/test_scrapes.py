import threading
import time
import urllib.request
from collections.abc import Iterator

from gosonde_common.metrics import MetricsServer
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

PATIENCE_S = 30.0


class Slow(Collector):
    """Counts how often it is asked, and by how many at a time."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        yield GaugeMetricFamily("asked", "How often.", value=self.asked)


def test_scrapes_that_come_meanwhile_share_the_next_one() -> None:
    registry, slow = CollectorRegistry(support_collectors_without_names=True), Slow()
    registry.register(slow)
    server = MetricsServer("127.0.0.1:0", registry, list)
    before = threading.active_count()
    texts: list[str] = []

    def scrape() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=PATIENCE_S) as answer:
            texts.append(answer.read().decode())

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    threads[0].start()
    assert slow.begun.wait(PATIENCE_S)
    for thread in threads[1:]:
        thread.start()
    end = time.monotonic() + PATIENCE_S
    while threading.active_count() < before + 2 * len(threads) and time.monotonic() < end:
        time.sleep(0.01)  # until each has a thread of the server
    slow.go_on.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    server.close()
    assert slow.asked in {2, 3}  # one that had its thread and no turn yet may have come too late to share
    assert len(texts) == len(threads)
    assert all("asked " in text for text in texts)
