"""A process has the names of its container in the metrics, as far as that is known for certain."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_agent.discovery import named
from gosonde_agent.host import procfs
from gosonde_agent.model.container_names import ContainerNames
from gosonde_agent.serve.container_metrics import container_metrics
from gosonde_common.errors import UnavailableError
from gosonde_common.values.observation import Process, ProcessKey

from tests.unit.agent.observations import process

ID, PID = "a" * 64, os.getpid()


class Known:
    """Knows one container, unless it does not answer."""

    answers = True

    def names(self, container_id: str) -> ContainerNames | None:
        if not self.answers:
            raise UnavailableError("away")
        return ContainerNames("shop", "web-0", "server", "web") if container_id == ID else None


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Known]:
    """This very process, as if in one container."""
    in_container(tmp_path, ID)
    monkeypatch.setattr("gosonde_agent.discovery.facts.PROC", tmp_path)
    known = Known()
    named.use(known)
    yield known
    named.use(named.Nobody())


def in_container(proc: Path, *ids: str) -> None:
    (proc / str(PID)).mkdir(exist_ok=True)
    (proc / str(PID) / "cgroup").write_text("0::" + "".join(f"/cri-containerd-{one}.scope" for one in ids) + "\n")


def me(ticks: int = 0) -> Process:
    start = procfs.start_of(PID).ticks + ticks
    return replace(process(1), key=ProcessKey("boot", PID, start, 1), exe="/srv/app")


def samples(*processes: Process) -> list[dict[str, str]]:
    (family,) = container_metrics(processes)
    return [sample.labels for sample in family.samples]


@pytest.mark.usefixtures("known")
def test_a_process_in_a_named_container_has_one_sample() -> None:
    names = {"namespace": "shop", "pod": "web-0", "container": "server", "workload": "web"}
    assert samples(me()) == [{"pid": str(PID), "exe": "/srv/app", **names}]


@pytest.mark.usefixtures("known")
def test_a_process_that_ended_or_whose_number_is_anothers_has_none() -> None:
    assert samples(me(ticks=1), replace(me(), ended_unix_nano=1), replace(me(), sums=2)) == []


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("ids", [(), ("b" * 64,), (ID, "b" * 64)])
def test_a_process_in_no_container_an_unknown_one_or_two_has_none(tmp_path: Path, ids: tuple[str, ...]) -> None:
    in_container(tmp_path, *ids)
    assert samples(me()) == []


def test_while_nobody_answers_there_are_none(known: Known) -> None:
    known.answers = False
    assert samples(me(), me()) == []
    known.answers = True
    assert len(samples(me())) == 1
