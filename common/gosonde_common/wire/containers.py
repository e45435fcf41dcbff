"""Containers as messages."""

from gosonde_pb.v1 import model_pb2

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.containers import NO_CONTAINER, Container


def encode_container(container: Container) -> model_pb2.Container | None:
    """The message; None for no container."""
    if container == NO_CONTAINER:
        return None
    return model_pb2.Container(
        id=container.id,
        pod_uid=container.pod_uid,
        namespace=container.namespace,
        pod=container.pod,
        name=container.name,
        workload=container.workload,
    )


def decode_container(message: model_pb2.Container) -> Container:
    """The container; NO_CONTAINER for a message that is not there, as in those of older agents.

    Raises:
        InvalidInputError: A text is none that a container or pod can have.
    """
    found = Container(message.id, message.pod_uid, message.namespace, message.pod, message.name, message.workload)
    if fault := found.fault:
        raise InvalidInputError(f"container.{fault}")
    return found
