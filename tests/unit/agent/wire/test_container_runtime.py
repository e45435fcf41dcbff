"""Answers of a container runtime are checked: it may say anything."""

import pytest
from gosonde_agent.model.container_names import ContainerNames, workload_of
from gosonde_agent.wire import container_runtime as wire
from gosonde_common.errors import InvalidInputError
from gosonde_pb.cri.v1 import names_pb2

ID, POD = "a" * 64, "b" * 64


def containers(name: str = "server", container_id: str = ID) -> bytes:
    metadata = names_pb2.ContainerMetadata(name=name)
    one = names_pb2.Container(id=container_id, pod_sandbox_id=POD, metadata=metadata)
    return names_pb2.ListContainersResponse(containers=[one]).SerializeToString()


def pods(name: str = "web", namespace: str = "shop", labels: dict[str, str] | None = None, pod: str = POD) -> bytes:
    metadata = names_pb2.PodSandboxMetadata(name=name, namespace=namespace)
    one = names_pb2.PodSandbox(id=pod, metadata=metadata, labels=labels or {})
    return names_pb2.ListPodSandboxResponse(items=[one]).SerializeToString()


def test_a_right_answer_has_the_names() -> None:
    assert wire.container_answer(containers(), ID) == (POD, "server")
    assert wire.pod_answer(pods(), POD, "server") == ContainerNames("shop", "web", "server")


def test_an_answer_about_another_id_or_about_none_is_no_answer() -> None:
    assert wire.container_answer(containers(container_id=f"{ID[:-1]}b"), ID) is None
    assert wire.container_answer(b"", ID) is None
    assert wire.pod_answer(pods(pod=ID), POD, "server") is None


@pytest.mark.parametrize("name", ["", "Server", "a b", "\x1b[31mred", "../x", "\u202ex", "x" * 254, "a\n", "-a"])
def test_a_name_that_is_none_of_kubernetes_is_refused_and_shown_escaped(name: str) -> None:
    for ask in (
        lambda: wire.container_answer(containers(name=name), ID),
        lambda: wire.pod_answer(pods(name=name), POD, "server"),
        lambda: wire.pod_answer(pods(namespace=name), POD, "server"),
    ):
        with pytest.raises(InvalidInputError, match="which is no name of Kubernetes") as error:
            ask()
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 400


@pytest.mark.parametrize("answer", [b"\xff", b"\x0a\xff\xff\xff\xff\x7f", b"nonsense"])
def test_bytes_that_are_no_message_are_refused(answer: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"no message of runtime\.v1"):
        wire.container_answer(answer, ID)


def test_a_pod_with_too_many_labels_is_refused() -> None:
    labels = {f"label-{number}": "x" for number in range(wire.MOST_LABELS + 1)}
    with pytest.raises(InvalidInputError, match="has 1001 labels"):
        wire.pod_answer(pods(labels=labels), POD, "server")


@pytest.mark.parametrize(
    ("pod", "labels", "workload"),
    [
        ("web-7d9f6c5b4d-x2k9p", {"pod-template-hash": "7d9f6c5b4d"}, "web"),
        ("web-7d9f6c5b4d-x2k9p", {"pod-template-hash": "other"}, ""),
        ("web-7d9f6c5b4d-x2k9p", {}, ""),
        ("db-0", {"statefulset.kubernetes.io/pod-name": "db-0", "controller-revision-hash": "db-5c"}, "db"),
        ("db-0", {"statefulset.kubernetes.io/pod-name": "bank-0"}, ""),
        ("night-28934-q7z2x", {"batch.kubernetes.io/job-name": "night-28934"}, "night-28934"),
        ("night-3-q7z2x", {"job-name": "night"}, "night"),
        ("mine-q7z2x", {"job-name": "night"}, ""),
        ("node-exporter-8xk2p", {"controller-revision-hash": "6f8d"}, "node-exporter"),
        ("static", {"controller-revision-hash": "6f8d"}, ""),
        ("web-7d9f6c5b4d-x2k9p", {"pod-template-hash": ".*"}, ""),
    ],
)
def test_a_workload_is_known_where_label_and_name_agree(pod: str, labels: dict[str, str], workload: str) -> None:
    assert workload_of(pod, labels) == workload
