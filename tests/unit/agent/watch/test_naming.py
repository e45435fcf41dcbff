"""Processes get the names of their containers once somebody knows them, and nobody is asked in vain."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.discovery import named
from gosonde_agent.model.container_names import ContainerNames
from gosonde_agent.watch.naming import asked, nameless_of, note
from gosonde_common.errors import UnavailableError
from gosonde_common.values.containers import NO_CONTAINER, Container

from tests.unit.agent.observations import process

SHOP, DOCKER = "a" * 64, "b" * 64


class Runtime:
    """Knows one container of Kubernetes, unless it does not answer."""

    def __init__(self) -> None:
        self.answers = True
        self.late = ""
        self.asked: list[str] = []

    def names(self, container_id: str) -> ContainerNames | None:
        self.asked.append(container_id)
        if not self.answers or container_id == self.late:
            raise UnavailableError("away")
        return ContainerNames("shop", "web-0", "server") if container_id == SHOP else None

    def kept(self, container_id: str) -> ContainerNames | None:
        raise AssertionError(container_id)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    runtime = Runtime()
    named.use(runtime)
    yield runtime
    named.use(named.Nobody())


def watched(*containers: Container) -> Processes:
    processes = Processes()
    for pid, container in enumerate(containers, 1):
        processes.add(pid, 1, GoProcess(None, None, replace(process(pid), container=container)))
    return processes


def test_each_container_without_names_is_asked_for_once(runtime: Runtime) -> None:
    processes = watched(Container(SHOP), Container(SHOP), Container(DOCKER), NO_CONTAINER)
    note(processes, asked(nameless_of(processes)))
    assert runtime.asked == [SHOP, DOCKER]
    named_now = Container(SHOP, "", "shop", "web-0", "server")
    assert [one.description.container for one in processes] == [
        *(named_now, named_now, Container(DOCKER), NO_CONTAINER)
    ]
    assert nameless_of(processes) == {DOCKER}


def test_a_container_that_is_not_known_yet_holds_up_no_other(runtime: Runtime) -> None:
    runtime.late = "0" * 64
    assert asked({runtime.late, SHOP}).keys() == {SHOP}


def test_while_nobody_answers_containers_keep_their_ids(runtime: Runtime) -> None:
    runtime.answers = False
    processes = watched(Container(SHOP), Container(DOCKER))
    assert asked(nameless_of(processes)) == {}
    assert processes.of_pid(1)[0][1].description.container == Container(SHOP)
    runtime.answers = True
    note(processes, asked(nameless_of(processes)))
    assert processes.of_pid(1)[0][1].description.container.pod == "web-0"


@pytest.mark.usefixtures("runtime")
def test_who_has_ended_is_not_asked_for_but_told_what_others_have_asked() -> None:
    processes = watched(Container(SHOP), Container(DOCKER))
    ended = processes.of_pid(1)[0][1]
    ended.description = replace(ended.description, ended_unix_nano=5)
    assert nameless_of(processes) == {DOCKER}
    note(processes, asked({SHOP}))
    assert ended.description.container.namespace == "shop"
