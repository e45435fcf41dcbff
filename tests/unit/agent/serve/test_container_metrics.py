"""A process has the names of its container in the metrics, as far as they are known."""

from dataclasses import replace

import pytest
from gosonde_agent.serve.container_metrics import container_metrics
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.observation import Process

from tests.unit.agent.observations import process

NAMED = Container("a" * 64, "", "shop", "web-0", "server", "web")


def samples(*processes: Process) -> list[dict[str, str]]:
    (family,) = container_metrics(processes)
    return [sample.labels for sample in family.samples]


def test_a_process_in_a_named_container_has_one_sample() -> None:
    names = {"namespace": "shop", "pod": "web-0", "container": "server", "workload": "web"}
    assert samples(replace(process(7), container=NAMED)) == [{"pid": "7", "exe": "/bin/7", **names}]


def test_a_process_that_ended_or_is_a_sum_of_several_has_none() -> None:
    one = replace(process(7), container=NAMED)
    assert samples(replace(one, ended_unix_nano=1), replace(one, sums=2)) == []


@pytest.mark.parametrize("container", [NO_CONTAINER, Container("a" * 64)])
def test_a_process_in_no_container_or_one_without_names_has_none(container: Container) -> None:
    assert samples(replace(process(7), container=container)) == []
