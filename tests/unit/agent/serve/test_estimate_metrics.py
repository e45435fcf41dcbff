"""What is estimated is a gauge beside counters that contain none of it."""

from collections.abc import Iterable

from gosonde_agent.serve.runtime_metrics import Pauses, runtime_metrics
from gosonde_common.goroutine_metrics import Estimated, SiteRow, goroutine_metrics
from gosonde_common.owners import Owner
from gosonde_common.values.observation import Observation
from prometheus_client import Metric

from tests.unit.agent.observations import count, estimate, observed, process

Values = dict[tuple[str, str], float]
ONE = process(1)

OWNER = Owner("", "1", "/x")


def values(metrics: Iterable[Metric]) -> Values:
    """By the metric's name less its prefix, and the function."""
    return {
        (sample.name.removeprefix("gosonde_goroutines_"), sample.labels["function"]): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def exported(observation: Observation) -> Values:
    return values(runtime_metrics(observation, Pauses())["goroutines"]())


def test_an_agent_exports_what_it_estimates_with_its_bounds() -> None:
    found = exported(observed(ONE, site_counts=(count(ONE, 1, 7), count(ONE, 2, 5)), estimates=(estimate(ONE, 1, 60),)))
    assert found["created_total", "main.f1"] == 7
    assert found["created_estimate", "main.f1"] == found["exited_estimate", "main.f1"] == 60
    assert (found["created_estimate_low", "main.f1"], found["created_estimate_high", "main.f1"]) == (30, 120)
    assert (found["exited_estimate_low", "main.f1"], found["exited_estimate_high", "main.f1"]) == (30, 120)
    assert not any("estimate" in name for name, function in found if function == "main.f2")


def test_an_estimate_may_fall_and_no_counter_does() -> None:
    first, second = (
        exported(observed(ONE, site_counts=(count(ONE, 1, 7),), estimates=(estimate(ONE, 1, estimated),)))
        for estimated in (60, 40)
    )
    assert first["created_estimate", "main.f1"] > second["created_estimate", "main.f1"]
    assert first["created_total", "main.f1"] == second["created_total", "main.f1"] == 7


def test_estimates_of_one_statement_are_summed_and_those_of_others_are_left_out() -> None:
    rows = [SiteRow(OWNER, "main.f", "f.go:1", 5, 5, live, Estimated(10, 8, 12, 10, 8, 12)) for live in (200, 199)]
    rows += [
        SiteRow(OWNER, f"main.g{number}", "", 1, 0, 100 - number, Estimated(1, 0, 3, 1, 0, 3)) for number in range(12)
    ]
    found = values(goroutine_metrics(rows))
    assert (found["created_estimate", "main.f"], found["created_estimate_low", "main.f"]) == (20, 16)
    assert ("created_estimate", "main.g0") in found
    assert ("created_estimate", "(others)") not in found
    assert ("live", "(others)") in found
