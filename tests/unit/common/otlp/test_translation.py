from collections.abc import Iterable

import pytest
from gosonde_common.container_metrics import container_metric
from gosonde_common.gc_metrics import PauseHistograms
from gosonde_common.goroutine_metrics import SiteRow, goroutine_metrics
from gosonde_common.metrics import FailedGroup
from gosonde_common.otlp.counts import Counts
from gosonde_common.otlp.keys import OtlpKeys
from gosonde_common.otlp.rules import ATTRIBUTES, FIGURES, GC_CYCLES, GOROUTINES, RULES
from gosonde_common.otlp.targets import MAX_TEXT, Figures, Naming, Target, instance_id, service_name
from gosonde_common.otlp.translation import MAX_REQUEST, Translation
from gosonde_common.owners import OTHERS, Owner
from gosonde_common.values.containers import Container
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tests.hostile_text import HOSTILE
from tests.otlp_receiver import Point, Received
from tests.paths import ROOT

NOW = 1_000_000
WEB = Owner("web-1", "7", "/srv/app")


def translated(
    families: Iterable[Metric] = (), *targets: Target, keys: OtlpKeys | None = None, ages: dict[str, int] | None = None
) -> list[Point]:
    naming = Naming(keys or OtlpKeys(), "gosonde-collector", "here")
    figures = Figures(families, targets, ages or {}, started_unix_nano=5)
    requests = Translation(figures, naming, NOW, Counts()).requests()
    return Received(metrics=[encode_metrics(request.data) for request in requests]).points()


def test_statements_are_told_by_function_file_and_line() -> None:
    row = SiteRow(WEB, "main.serve", "/src/main.go:12", 10, 4, 6)
    points = {point.name: point for point in translated(goroutine_metrics([row]), Target(WEB, since_unix_nano=77))}
    created = points["gosonde.goroutine.created"]
    assert created.attributes == {
        "code.function.name": "main.serve",
        "code.file.path": "/src/main.go",
        "code.line.number": 12,
    }
    assert (created.value, points["gosonde.goroutine.exited"].value) == (10, 4)
    assert points["gosonde.goroutine.live"].value == 6
    assert (created.point.start_time_unix_nano, created.point.time_unix_nano) == (77, NOW)


def test_a_figure_has_the_time_of_its_observation() -> None:
    row = SiteRow(WEB, "main.serve", "", 10, 4, 6)
    target = Target(WEB, since_unix_nano=NOW - 5, goroutines=6)
    for point in translated(goroutine_metrics([row]), target, ages={"web-1": 300}):
        assert point.point.time_unix_nano == NOW - 300
        assert point.point.start_time_unix_nano <= NOW - 300


def test_what_the_runtime_says_has_the_time_of_its_reading_and_counts_from_the_start_of_the_process() -> None:
    read = RuntimeFigures(
        *(NOW - 400, 5, 64, 4_096, UNLIMITED, 10_000, 80, None, 3, 7, 150, 8),
    )
    points = translated((), Target(WEB, since_unix_nano=900, started_unix_nano=50, goroutines=6, runtime_figures=read))
    found = {(point.name, point.attributes.get("go.memory.type")): point for point in points}
    assert {name: point.value for name, point in found.items()} == {
        ("go.goroutine.count", None): 6,
        ("go.memory.used", "stack"): 64,
        ("go.memory.used", "other"): 4_096,
        ("go.memory.allocated", None): 10_000,
        ("go.memory.allocations", None): 80,
        ("go.config.gogc", None): 150,
        ("go.processor.limit", None): 8,
    }
    allocated = found["go.memory.allocated", None].point
    assert (allocated.start_time_unix_nano, allocated.time_unix_nano) == (50, NOW - 400)
    assert found["go.goroutine.count", None].point.time_unix_nano == NOW


@pytest.mark.parametrize("wrong", [-2, -(2**70), 2**70])
def test_times_and_numbers_that_cannot_be_cost_no_other_figure(wrong: int) -> None:
    read = RuntimeFigures(wrong, allocated_bytes=wrong, processors=8)
    bad = Target(WEB, since_unix_nano=wrong, started_unix_nano=wrong, goroutines=wrong, runtime_figures=read)
    points = translated((), bad, Target(Owner("web-1", "8", "/srv/app"), goroutines=3), ages={"web-1": wrong})
    assert [point.value for point in points] == [wrong, wrong, 8, 3]
    for point in points:
        assert 0 <= point.point.start_time_unix_nano <= point.point.time_unix_nano <= NOW


def test_what_is_summed_over_processes_is_of_their_host() -> None:
    points = translated(goroutine_metrics([], {"web-1": 30}))
    assert [(point.name, point.value) for point in points] == [("gosonde.goroutine.live", 30)]
    assert points[0].resource == {"service.name": "gosonde-agent", "host.name": "web-1"}
    assert points[0].attributes == {"code.function.name": OTHERS, "gosonde.process": OTHERS}


def test_a_histogram_has_counts_by_bucket_sum_and_count() -> None:
    pauses = PauseHistograms()
    for duration_ns in (50_000, 200_000, 210_000, 2_000_000_000):
        pauses.observe(WEB, "GC sweep termination", duration_ns)
    pauses.observe(WEB, "GC mark termination", 1_000)
    sweep, mark = translated([pauses.metric()])
    assert (sweep.name, sweep.unit, sweep.kind) == ("go.memory.gc.pause.duration", "s", "histogram")
    assert sweep.attributes == {"gosonde.gc.phase": "sweep_termination"}
    assert (sweep.point.count, list(sweep.point.bucket_counts)[:2], sweep.point.bucket_counts[-1]) == (4, [1, 2], 1)
    assert len(sweep.point.bucket_counts) == len(sweep.point.explicit_bounds) + 1
    assert sum(sweep.point.bucket_counts) == 4
    assert sweep.point.sum == pytest.approx(2.00046)
    assert sweep.point.start_time_unix_nano == 5
    assert not sweep.point.HasField("min")
    assert mark.point.count == 1


def test_a_process_is_described_by_what_is_known_of_it() -> None:
    container = Container("c" * 64, "", "shop", "web-0", "server", "web")
    owner = WEB._replace(namespace="shop", pod="web-0", container="server")
    target = Target(owner, "boot", 70, "go1.27.3", container, goroutines=1)
    (point,) = translated((), target, keys=OtlpKeys(otlp_attributes=("team=a",)))
    assert point.resource == {
        "service.name": "web",
        "service.namespace": "shop",
        "service.instance.id": instance_id(target),
        "host.name": "web-1",
        "process.executable.path": "/srv/app",
        "process.executable.name": "app",
        "process.runtime.name": "go",
        "process.runtime.version": "go1.27.3",
        "process.pid": 7,
        "container.id": "c" * 64,
        "k8s.namespace.name": "shop",
        "k8s.pod.name": "web-0",
        "k8s.container.name": "server",
        "team": "a",
    }


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (("workload", "executable"), "web"),
        (("container",), "server"),
        (("unit", "workload"), "orders"),
        (("executable", "workload"), "app"),
    ],
)
def test_a_service_has_the_first_name_of_the_rule(rule: tuple[str, ...], name: str) -> None:
    container = Container(namespace="shop", pod="web-0", name="server", workload="web")
    assert service_name(Target(WEB, container=container, units=("user.slice", "orders.service")), rule) == name


def test_a_service_of_which_nothing_of_the_rule_is_known_is_named_after_its_executable() -> None:
    assert service_name(Target(WEB), ("workload", "unit", "container")) == "app"
    assert service_name(Target(Owner("", "7", "")), ("executable",)) == "unknown_service:go"


def test_processes_that_share_a_pid_have_ids_of_their_own() -> None:
    ids = {instance_id(Target(WEB, boot, ticks)) for boot in ("a", "b") for ticks in (1, 2)}
    assert len(ids) == 4


@pytest.mark.parametrize("text", [HOSTILE, "\udcff", "x" * 100_000], ids=["unseen", "surrogate", "long"])
def test_hostile_names_arrive_readable_and_bounded(text: str) -> None:
    owner = Owner(text, "7", f"/srv/{text}")
    row = SiteRow(owner, text, f"{text}:{'9' * 40}", 1, 0, 1)
    points = translated(goroutine_metrics([row]), Target(owner, goroutines=1, go_version=text))
    assert len(points) == 4
    for point in points:
        for value in (*point.resource.values(), *point.attributes.values()):
            assert isinstance(value, int) or (len(value) <= 10 * MAX_TEXT and value.isprintable())


def test_requests_are_no_larger_than_receivers_take_and_none_is_empty() -> None:
    owners = [Owner("web-1", str(pid), "/srv/app") for pid in range(600)]
    rows = [SiteRow(owner, "f" * MAX_TEXT, f"{'d' * MAX_TEXT}:1", 1, 0, 1) for owner in owners]
    naming = Naming(OtlpKeys(), "gosonde-collector", "here")
    figures = Figures(goroutine_metrics(rows), [Target(owner, goroutines=1) for owner in owners])
    requests = list(Translation(figures, naming, NOW, Counts()).requests())
    assert len(requests) > 2
    assert sum(request.points for request in requests) == 4 * len(owners)
    for request in requests:
        assert 0 < encode_metrics(request.data).ByteSize() < 2 * MAX_REQUEST
    assert not list(Translation(Figures((), ()), naming, NOW, Counts()).requests())


def test_a_group_that_failed_is_counted_and_the_others_are_exported() -> None:
    counts = Counts()
    families = [FailedGroup("gosonde_timers", OSError()), GaugeMetricFamily("gosonde_analysis_age_seconds", "", 1.5)]
    naming = Naming(OtlpKeys(), "gosonde-collector", "here")
    (request,) = Translation(Figures(families, ()), naming, NOW, counts).requests()
    assert request.points == 1
    (failed,) = [sample for family in counts.collect() for sample in family.samples if "failures" in sample.name]
    assert failed.value == 1


def test_what_has_no_place_in_opentelemetry_is_left_out() -> None:
    assert not translated([container_metric([(WEB._replace(namespace="shop"), "web")])])


@pytest.mark.parametrize(("value", "kind"), [(2.0**70, "as_double"), (3.0, "as_int"), (0.5, "as_double")])
def test_whole_numbers_are_integers_where_there_is_room(value: float, kind: str) -> None:
    lost = CounterMetricFamily("gosonde_agent_lost", "", labels=("host", "counter"))
    lost.add_metric(("web-1", "events_full"), value)
    (point,) = translated([lost])
    assert point.point.WhichOneof("value") == kind
    assert point.attributes == {"gosonde.loss": "events_full"}


def test_every_metric_and_attribute_is_documented() -> None:
    text = (ROOT / "docs/otlp.md").read_text()
    figures = [rule.name for rule, _, _ in FIGURES]
    names = [rule.name for rule in (*RULES.values(), GOROUTINES, GC_CYCLES)]
    assert [name for name in (*names, *figures, *ATTRIBUTES.values()) if f"`{name}`" not in text] == []
    assert len(set(names)) == len(names)
