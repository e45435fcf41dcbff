import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest
from gosonde_common.metrics import MetricsServer
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
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


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_no_series_says_since_when_another_is_there(accept: str) -> None:
    registry = CollectorRegistry()
    Counter("scrapes", "Some.", registry=registry).inc()
    Histogram("seconds", "Some.", registry=registry).observe(1)
    server = MetricsServer("127.0.0.1:0", registry, list)
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        text = answer.read().decode()
        kind = answer.headers["Content-Type"]
    server.close()
    assert kind.startswith(accept.partition(";")[0])
    assert "scrapes_total 1.0" in text
    assert "seconds_count 1" in text
    assert "_created" not in text
