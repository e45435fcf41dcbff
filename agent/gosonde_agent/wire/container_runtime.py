"""Questions to a container runtime by the Container Runtime Interface, and its answers, which are checked."""

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.containers import NAME, SHOWN
from gosonde_pb.cri.v1 import names_pb2

from gosonde_agent.model.container_names import ContainerNames, workload_of

#: Methods of runtime.v1 in kubernetes/cri-api, pkg/apis/runtime/v1/api.proto.
LIST_CONTAINERS: Final = "/runtime.v1.RuntimeService/ListContainers"
LIST_PODS: Final = "/runtime.v1.RuntimeService/ListPodSandbox"
#: Labels of a pod that are looked at; no pod has as many.
MOST_LABELS: Final = 1_000


def container_question(container_id: str) -> bytes:
    """Of LIST_CONTAINERS: the one with this id."""
    return names_pb2.ListContainersRequest(filter=names_pb2.ContainerFilter(id=container_id)).SerializeToString()


def pod_question(sandbox_id: str) -> bytes:
    """Of LIST_PODS: the one with this id."""
    return names_pb2.ListPodSandboxRequest(filter=names_pb2.PodSandboxFilter(id=sandbox_id)).SerializeToString()


def container_answer(answer: bytes, container_id: str) -> tuple[str, str] | None:
    """(id of its pod's sandbox, name) of the container with this id; None if the runtime does not know it.

    Raises:
        InvalidInputError: It is no answer to this, or its name is none of Kubernetes.
    """
    message = names_pb2.ListContainersResponse()
    _parse(message, answer)
    found = [one for one in message.containers if one.id == container_id]
    if not found:
        return None
    return found[0].pod_sandbox_id, _name(found[0].metadata.name, "container")


def pod_answer(answer: bytes, sandbox_id: str, container: str) -> ContainerNames | None:
    """Names of a container in the pod with this id; None if the runtime does not know the pod.

    Raises:
        InvalidInputError: As `container_answer`, and for more than MOST_LABELS labels.
    """
    message = names_pb2.ListPodSandboxResponse()
    _parse(message, answer)
    found: Sequence[names_pb2.PodSandbox] = [one for one in message.items if one.id == sandbox_id]
    if not found:
        return None
    if len(found[0].labels) > MOST_LABELS:
        raise InvalidInputError(f"the container runtime's pod has {len(found[0].labels)} labels")
    named = found[0].metadata
    pod, namespace = _name(named.name, "pod"), _name(named.namespace, "namespace")
    return ContainerNames(namespace, pod, container, workload_of(pod, found[0].labels))


def _parse(message: names_pb2.ListContainersResponse | names_pb2.ListPodSandboxResponse, answer: bytes) -> None:
    try:
        message.ParseFromString(answer)
    except DecodeError as error:
        raise InvalidInputError("the container runtime's answer is no message of runtime.v1") from error


def _name(text: str, what: str) -> str:
    if not NAME.fullmatch(text):
        raise InvalidInputError(
            f"the container runtime names a {what} {text[:SHOWN]!r}, which is no name of Kubernetes"
        )
    return text
