"""A container runtime that lies, is slow or is gone costs names, and never more than seconds."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from gosonde_agent.discovery import container_runtime, named
from gosonde_agent.discovery.container_runtime import ContainerRuntime
from gosonde_agent.discovery.selection import Selection, parse_rules
from gosonde_agent.model.container_names import ContainerNames
from gosonde_common.errors import UnavailableError

from tests.unit.agent.wire.test_container_runtime import ID, containers, pods


class Handler(grpc.GenericRpcHandler):
    """Answers each method with what a function makes of its name."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self._answer = answer
        self.asked: list[str] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method.rpartition("/")[2]
        self.asked.append(method)
        return grpc.unary_unary_rpc_method_handler(lambda _question, _context: self._answer(method))


@contextmanager
def serving(folder: Path, answer: Callable[[str], bytes]) -> Iterator[tuple[str, Handler]]:
    """(address, handler) of a server that speaks gRPC and answers so."""
    handler, address = Handler(answer), f"unix:{folder}/cri.sock"
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    server.add_insecure_port(address)
    server.start()
    try:
        yield address, handler
    finally:
        server.stop(None).wait()


def right(method: str) -> bytes:
    return containers() if method == "ListContainers" else pods()


def test_what_was_answered_once_is_not_asked_again(tmp_path: Path) -> None:
    with serving(tmp_path, right) as (address, handler):
        runtime = ContainerRuntime(address)
        assert runtime.kept(ID) is None
        assert [runtime.names(ID) for _ in range(3)] == [ContainerNames("shop", "web", "server")] * 3
        assert runtime.kept(ID) == ContainerNames("shop", "web", "server")
        assert handler.asked == ["ListContainers", "ListPodSandbox"]


def test_no_more_names_are_kept_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_runtime, "MOST_KEPT", 2)
    with serving(tmp_path, right) as (address, handler):
        runtime = ContainerRuntime(address)
        for container_id in ("1", "2", "1", "3"):
            assert runtime.names(container_id) is None
        assert len(handler.asked) == 3
        runtime.names("1")
        assert len(handler.asked) == 3, "the one that was asked for last stays"
        runtime.names("2")
        assert len(handler.asked) == 4


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: b"\xff",
        lambda _: containers(name="\x1b]0;x"),
        lambda _: bytes(container_runtime.MOST_BYTES + 1),
        lambda method: containers() if method == "ListContainers" else b"\xff",
    ],
)
def test_a_wrong_answer_costs_these_names_alone(tmp_path: Path, answer: Callable[[str], bytes]) -> None:
    wrong = [True]
    with serving(tmp_path, lambda method: answer(method) if wrong[0] else right(method)) as (address, _):
        runtime = ContainerRuntime(address)
        assert runtime.names("0" * 64) is None
        wrong[0] = False
        assert runtime.names(ID) == ContainerNames("shop", "web", "server")


def test_where_nobody_answers_it_is_asked_again_after_a_rest(tmp_path: Path) -> None:
    now = [100.0]
    runtime = ContainerRuntime(f"unix:{tmp_path}/cri.sock", lambda: now[0])
    with pytest.raises(UnavailableError, match="UNAVAILABLE"):
        runtime.names(ID)
    with pytest.raises(UnavailableError, match="did not answer a moment ago"):
        runtime.names(ID)
    now[0] += container_runtime.REST_SECONDS
    with pytest.raises(UnavailableError, match="UNAVAILABLE"):
        runtime.names(ID)


def test_a_server_of_something_else_is_said_to_be_one(tmp_path: Path) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{tmp_path}/cri.sock")
    server.start()
    try:
        with pytest.raises(UnavailableError, match=r"speaks no runtime\.v1"):
            ContainerRuntime(f"unix:{tmp_path}/cri.sock").names(ID)
    finally:
        server.stop(None).wait()


class Silent:
    """Knows no names now."""

    def names(self, container_id: str) -> ContainerNames | None:
        raise UnavailableError(container_id)

    def kept(self, container_id: str) -> ContainerNames | None:
        raise AssertionError(container_id)


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process 7 in a container whose names are not known now."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(f"0::/cri-containerd-{ID}.scope\n")
    monkeypatch.setattr("gosonde_agent.discovery.facts.PROC", tmp_path)
    named.use(Silent())
    yield
    named.use(named.Nobody())


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("key", ["allow", "deny"])
def test_a_process_waits_while_a_name_is_unknown_that_decides(key: str) -> None:
    rules = parse_rules(key, ("namespace:shop",))
    selection = Selection(allow=rules) if key == "allow" else Selection(deny=rules)
    assert not selection.selects(7, "/srv/app")
    assert selection.waits(7, "/srv/app")


@pytest.mark.usefixtures("silent")
def test_a_process_does_not_wait_where_no_name_decides() -> None:
    selection = Selection(("/srv/*",), deny=parse_rules("deny", ("namespace:shop",)))
    assert not selection.waits(7, "/opt/app"), "its executable is not selected"
    assert not Selection(deny=parse_rules("deny", ("user:none",))).waits(7, "/srv/app")
    both = Selection(allow=parse_rules("allow", ("exe:/srv/*", "namespace:shop")))
    assert both.selects(7, "/srv/app"), "another rule allows it"
