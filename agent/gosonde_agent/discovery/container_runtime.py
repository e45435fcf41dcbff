"""The container runtime of this host, asked for the names of containers. It may be slow, gone, or wrong."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

import grpc
import structlog
from gosonde_common.errors import GosondeError, InvalidInputError, UnavailableError

from gosonde_agent.model.container_names import ContainerNames
from gosonde_agent.wire import container_runtime as wire

log = structlog.get_logger()
#: A runtime on the same host answers within milliseconds, unless it starts.
ANSWER_SECONDS: Final = 1.0
#: After a question without an answer nothing is asked for so long.
REST_SECONDS: Final = 5.0
#: Containers whose names are kept; a node has some 250.
MOST_KEPT: Final = 4_096
#: One answer is about one container or one pod.
MOST_BYTES: Final = 1 << 20


class ContainerRuntime:
    """A `named.Containers`: asks by the Container Runtime Interface (runtime.v1) over a unix socket.

    The names of an id never change, so they are kept.
    """

    def __init__(self, address: str, now: Callable[[], float] = time.monotonic) -> None:
        """`address` is "unix:PATH"."""
        self._address = address
        self._now = now
        self._rests_until = 0.0
        # Processes are found in one thread, and metrics are served in others. Nobody waits for an answer with it.
        self._lock = Lock()
        self._kept: OrderedDict[str, ContainerNames | None] = OrderedDict()
        options = (("grpc.max_receive_message_length", MOST_BYTES), ("grpc.default_authority", "localhost"))
        self._channel = grpc.insecure_channel(address, options)

    def names(self, container_id: str) -> ContainerNames | None:
        """See Containers."""
        with self._lock:
            if container_id in self._kept:
                self._kept.move_to_end(container_id)
                return self._kept[container_id]
        if self._now() < self._rests_until:
            raise UnavailableError(f"{self._address}: did not answer a moment ago")
        names = self._checked(container_id)
        with self._lock:
            self._kept[container_id] = names
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return names

    def kept(self, container_id: str) -> ContainerNames | None:
        """See Containers."""
        with self._lock:
            return self._kept.get(container_id)

    def _checked(self, container_id: str) -> ContainerNames | None:
        """One answer that is wrong costs these names alone."""
        try:
            return self._asked(container_id)
        except InvalidInputError as error:
            log.warning("names of a container are not known", container=container_id, reason=str(error))
            return None
        except UnavailableError as error:
            log.warning("the container runtime does not answer", reason=str(error))
            self._rests_until = self._now() + REST_SECONDS
            raise

    def _asked(self, container_id: str) -> ContainerNames | None:
        answer = self._call(wire.LIST_CONTAINERS, wire.container_question(container_id))
        found = wire.container_answer(answer, container_id)
        if found is None:
            return None
        sandbox_id, name = found
        return wire.pod_answer(self._call(wire.LIST_PODS, wire.pod_question(sandbox_id)), sandbox_id, name)

    def _call(self, method: str, question: bytes) -> bytes:
        call: Any = self._channel.unary_unary(method)  # without serializers it takes bytes and gives bytes
        try:
            answer: bytes = call(question, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            raise _error(self._address, error) from error
        return answer


def _error(address: str, error: grpc.RpcError) -> GosondeError:
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return InvalidInputError(f"{address}: the answer has more than {MOST_BYTES} bytes")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return UnavailableError(f"{address}: speaks no runtime.v1 of the Container Runtime Interface")
    return UnavailableError(f"{address}: {code.name}: {details[:200]}")
