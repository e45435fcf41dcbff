"""Open findings are a metric of a bounded number of series, whose labels are those of goroutines."""

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import TimersFound
from gosonde_collector.analysis.mutes import Mutes
from gosonde_collector.model.values import Site
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.store.records import Mute, TimersName
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_info import MAX_FINDINGS, finding_metric
from gosonde_collector.telemetry.finding_metrics import FindingMetrics
from gosonde_common.values.containers import Container
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.collector.web.conftest import finding

NAMED = Container("a" * 64, "", "shop", "web-0", "server", "web")


def test_an_open_finding_has_the_labels_of_its_goroutines_and_its_id(store: DuckDBStore) -> None:
    (sample,) = finding_metric([finding(container=NAMED)], Mutes(store)).samples
    assert sample.value == 1
    assert sample.labels == {
        "host": "web-1",
        "pid": "7",
        "exe": "/srv/shop",
        "namespace": "shop",
        "pod": "web-0",
        "container": "server",
        "function": "main.leak",
        "location": "main.go:12",
        "finding": finding().id,
        "state": "growing",
        "cause": "select",
        "about": "goroutines",
        "muted": "no",
    }


def test_a_finding_that_is_over_has_no_sample(store: DuckDBStore) -> None:
    over = [finding(1, state="resolved"), finding(2, state="withdrawn")]
    left = finding_metric([*over, finding(3, state="stable")], Mutes(store)).samples
    assert [sample.labels["finding"] for sample in left] == [finding(3).id]


def test_of_too_many_findings_those_that_grew_last_have_samples(store: DuckDBStore) -> None:
    many = [finding(number, grew_unix_nano=number) for number in range(MAX_FINDINGS + 20)]
    samples = finding_metric(many, Mutes(store)).samples
    assert {sample.labels["finding"] for sample in samples} == {one.id for one in many[20:]}


def test_a_finding_of_timers_has_the_callback_and_no_place(store: DuckDBStore) -> None:
    timers = TimersFound(TimersName("main.expire", "", repeats=False))
    (sample,) = finding_metric([finding(timers=timers, site=Site("build", 0, "main.expire"))], Mutes(store)).samples
    said = sample.labels["about"], sample.labels["function"], sample.labels["location"]
    assert said == ("timers", "main.expire", "")


def test_the_collector_serves_them_and_says_which_are_muted(store: DuckDBStore) -> None:
    store.save_findings([finding(number).record(1) for number in (1, 2)])
    store.save_mutes([Mute(finding(1).id, "", "", "known", "", 1, 1 << 62)])
    registry = CollectorRegistry()
    registry.register(FindingMetrics(store, Analyst(store), Telemetry()))
    lines = [line for line in generate_latest(registry).decode().splitlines() if "gosonde_finding_info{" in line]
    muted = {number: 'muted="yes"' in line for line in lines for number in (1, 2) if finding(number).id in line}
    assert muted == {1: True, 2: False}
