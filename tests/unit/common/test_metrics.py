"""One bad sample, and one group of metrics that fails, cost a scrape nothing else."""

from collections.abc import Iterable

from gosonde_common.metrics import ShownMetrics, grouped
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class Given(Collector):
    """Gives these metrics, and fails at an exception among them."""

    def __init__(self, *given: Metric | Exception) -> None:
        self._given = given

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        for one in self._given:
            if isinstance(one, Exception):
                raise one
            yield one


def gauge(name: str, **samples: object) -> Metric:
    metric = GaugeMetricFamily(name, name, labels=("of",))
    for label, value in samples.items():
        metric.add_metric((label,), value)  # type: ignore[arg-type]
    return metric


def scraped(*given: Metric | Exception) -> list[str]:
    registry, shown = CollectorRegistry(), CollectorRegistry(support_collectors_without_names=True)
    registry.register(Given(*given))
    shown.register(ShownMetrics(registry))
    return [line for line in generate_latest(shown).decode().splitlines() if not line.startswith("#")]


def test_a_sample_without_a_number_is_left_out_and_counted_and_the_others_stay() -> None:
    lines = scraped(gauge("first", good=1, none=None, text="x", huge=10**400, other=2), gauge("second", good=3))
    assert 'first{of="good"} 1.0' in lines
    assert 'first{of="other"} 2.0' in lines
    assert 'second{of="good"} 3.0' in lines
    assert "gosonde_scrape_failures_total 3.0" in lines
    assert len(lines) == 4


def test_what_came_before_a_failure_stays() -> None:
    lines = scraped(gauge("first", good=1), RuntimeError("the store fails"), gauge("second", good=3))
    assert lines == ['first{of="good"} 1.0', "gosonde_scrape_failures_total 1.0"]


def test_without_a_failure_none_is_counted() -> None:
    assert scraped(gauge("first", good=1)) == ['first{of="good"} 1.0', "gosonde_scrape_failures_total 0.0"]


def failing() -> Iterable[Metric]:
    yield gauge("half", good=1)
    raise RuntimeError("the store fails")


def test_a_group_that_fails_is_left_out_and_counted_and_those_behind_it_stay() -> None:
    groups = grouped(first=lambda: [gauge("first", good=1)], second=failing, third=lambda: [gauge("third", good=3)])
    assert scraped(*groups) == ['first{of="good"} 1.0', 'third{of="good"} 3.0', "gosonde_scrape_failures_total 1.0"]
