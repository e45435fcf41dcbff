"""What runtimes say of themselves is exported of a bounded number of processes, and what is not known is absent."""

from gosonde_common.gc_metrics import MAX_PROCESSES
from gosonde_common.owners import Owner
from gosonde_common.runtime_metrics import runtime_figure_metrics
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures
from prometheus_client.core import Metric

FIGURES = RuntimeFigures(2_500_000_000, 7, 64, 500, UNLIMITED, 9_000, 12, None, 3, 1_500_000_000, 250, 4)


def exported(*figures: RuntimeFigures) -> dict[str, Metric]:
    rows = [(Owner("web-1", str(pid), "/srv/app"), row) for pid, row in enumerate(figures)]
    return {metric.name: metric for metric in runtime_figure_metrics(rows)}


def test_figures_are_in_base_units_and_what_is_not_known_or_unlimited_is_absent() -> None:
    families = exported(FIGURES)
    values = {name: [sample.value for sample in metric.samples] for name, metric in families.items()}
    assert values == {
        "gosonde_go_memory_used_bytes": [64, 500],
        "gosonde_go_goroutines": [7],
        "gosonde_go_memory_limit_bytes": [],
        "gosonde_go_memory_gc_goal_bytes": [],
        "gosonde_go_config_gogc_ratio": [2.5],
        "gosonde_go_processor_limit": [4],
        "gosonde_go_read_timestamp_seconds": [2.5],
        "gosonde_go_memory_allocated_bytes": [9_000],
        "gosonde_go_memory_allocations": [12],
        "gosonde_go_memory_gc_cycles": [3],
        "gosonde_go_memory_gc_pause_seconds": [1.5],
        "gosonde_go_schedule_duration_seconds": [],
    }
    kinds = [sample.labels["type"] for sample in families["gosonde_go_memory_used_bytes"].samples]
    assert kinds == ["stack", "other"]


def test_waits_until_goroutines_run_are_a_histogram_whose_sum_is_not_known() -> None:
    families = exported(RuntimeFigures(1, schedule_durations=(3, 0, 4, *[0] * 10, 1)))
    family = families["gosonde_go_schedule_duration_seconds"]
    assert {sample.name for sample in family.samples} == {"gosonde_go_schedule_duration_seconds_bucket"}
    counts = [(sample.labels["le"], sample.value) for sample in family.samples]
    assert counts[:4] == [("1.024e-06", 3), ("4.096e-06", 3), ("1.6384e-05", 7), ("6.5536e-05", 7)]
    assert counts[-2:] == [("17.179869184", 7), ("+Inf", 8)]


def test_of_too_many_processes_those_that_were_read_last_are_exported() -> None:
    families = exported(*(RuntimeFigures(read, goroutines=1) for read in range(MAX_PROCESSES + 3)))
    pids = {int(sample.labels["pid"]) for sample in families["gosonde_go_goroutines"].samples}
    assert pids == set(range(3, MAX_PROCESSES + 3))


def test_of_two_readings_with_the_same_labels_the_newer_one_counts() -> None:
    owner = Owner("web-1", "7", "/srv/app")
    rows = [(owner, RuntimeFigures(2, goroutines=8)), (owner, RuntimeFigures(1, goroutines=5))]
    (family,) = (metric for metric in runtime_figure_metrics(rows) if metric.name == "gosonde_go_goroutines")
    assert [sample.value for sample in family.samples] == [8]
