"""The pods of a node as its kubelet lists them: a PodList of v1 in JSON, which is checked.

Its format is PodList, ObjectMeta, OwnerReference and ContainerStatus in kubernetes/api, core/v1/types.go.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.containers import ID, NAME, SHOWN

from gosonde_agent.model.container_names import ContainerNames

#: Pods and containers of one node; Kubernetes means 110 pods to be the most.
MOST_PODS: Final = 2_000
MOST_CONTAINERS: Final = 4_096
#: Where a pod's status lists containers.
STATUSES: Final = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


@dataclass(slots=True)
class Pods:
    """What an answer says.

    Attributes:
        names: By container id.
        passed_over: How many pods make no sense.
        fault: What is wrong with one of them.
    """

    names: dict[str, ContainerNames] = field(default_factory=dict)
    passed_over: int = 0
    fault: str = ""


def pods_of(answer: bytes) -> Pods:
    """The names in an answer. A pod that makes no sense costs its own names alone.

    Raises:
        InvalidInputError: It is no PodList, or has more than MOST_PODS pods or MOST_CONTAINERS containers.
    """
    found = Pods()
    for place, pod in enumerate(_items(answer)):
        try:
            found.names.update(_names(_object(pod, "the pod")))
        except InvalidInputError as error:
            found.passed_over += 1
            found.fault = f"items[{place}]: {error}"
        if len(found.names) > MOST_CONTAINERS:
            raise InvalidInputError(f"the answer has more than {MOST_CONTAINERS:,} containers")
    return found


def _items(answer: bytes) -> list[Any]:
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"the answer is no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "PodList":
        raise InvalidInputError("the answer is no PodList")
    items = document.get("items") or []
    if not isinstance(items, list) or len(items) > MOST_PODS:
        raise InvalidInputError(f"items is no list, or has more than {MOST_PODS:,} pods")
    return items


def _names(pod: Mapping[str, Any]) -> dict[str, ContainerNames]:
    metadata = _object(pod.get("metadata"), "metadata")
    name, namespace = _name(metadata, "name"), _name(metadata, "namespace")
    workload = workload_of(name, metadata)
    return {
        container_id: ContainerNames(namespace, name, container, workload)
        for container_id, container in _containers(_object(pod.get("status"), "status"))
    }


def _containers(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(id, name) of each container that has been started."""
    for key in STATUSES:
        for row in _list(status, key):
            one = _object(row, key)
            if whole := one.get("containerID"):
                container_id = str(whole).rpartition("://")[2]
                if not ID.fullmatch(container_id):
                    raise InvalidInputError(f"containerID is {str(whole)[:SHOWN]!r}")
                yield container_id, _name(one, "name")


def workload_of(pod: str, metadata: Mapping[str, Any]) -> str:
    """The name of what has made a pod, of a ReplicaSet's that of its Deployment; empty where nothing says it.

    It counts only where the pod's name begins with it, as with workload_of of model/container_names.py.

    Args:
        pod: The pod's name.
        metadata: Its ObjectMeta.

    Raises:
        InvalidInputError: The owner or a label makes no sense.
    """
    owners = [_object(owner, "ownerReferences") for owner in _list(metadata, "ownerReferences")]
    owner = next((one for one in owners if one.get("controller") is True), None)
    if owner is None or owner.get("kind") == "Node":  # of a static pod
        return ""
    name = _name(owner, "name")
    if owner.get("kind") == "ReplicaSet":
        revision = _object(metadata.get("labels"), "labels").get("pod-template-hash")
        name = name.removesuffix(f"-{revision}")
    return name if pod.startswith(f"{name}-") else ""


def _object(value: Any, what: str) -> Mapping[str, Any]:  # noqa: ANN401 - whatever JSON has
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInputError(f"{what} is no object")
    return value


def _list(of: Mapping[str, Any], key: str) -> list[Any]:
    value = of.get(key) or []
    if not isinstance(value, list):
        raise InvalidInputError(f"{key} is no list")
    return value


def _name(of: Mapping[str, Any], key: str) -> str:
    value = of.get(key)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise InvalidInputError(f"{key} is {str(value)[:SHOWN]!r}, which is no name of Kubernetes")
    return value
