"""The kubelet of this host, asked for the names of containers. It may be slow, gone, or wrong."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

import structlog
from gosonde_common.errors import GosondeError, UnavailableError

from gosonde_agent.discovery.kubelet_place import KubeletPlace
from gosonde_agent.discovery.kubelet_pods import MOST_CONTAINERS, Pods, pods_of
from gosonde_agent.model.container_names import ContainerNames

log = structlog.get_logger()
Value = TypeVar("Value")
#: Between two questions: each answer has all pods of the node.
REST_SECONDS: Final = 5.0
#: A kubelet may list a container a while after its start; one that it does not list for so long is none of its own.
SETTLED_SECONDS: Final = 60.0
#: Containers whose names are kept.
MOST_KEPT: Final = 2 * MOST_CONTAINERS


class Kubelet:
    """A `named.Containers`: asks for the list of pods when a container is not known.

    The names of an id never change, so they are kept.
    """

    def __init__(self, place: KubeletPlace, now: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._now = now
        self._rests_until = 0.0
        self._lock = Lock()
        self._asking = Lock()
        self._kept: OrderedDict[str, ContainerNames | None] = OrderedDict()
        # Since when a container is asked for that is in no answer.
        self._missing: OrderedDict[str, float] = OrderedDict()

    def names(self, container_id: str) -> ContainerNames | None:
        """See Containers."""
        if not self._knows(container_id):
            self._ask()
            if not self._knows(container_id):
                self._miss(container_id)
        return self.kept(container_id)

    def kept(self, container_id: str) -> ContainerNames | None:
        """See Containers."""
        with self._lock:
            return self._kept.get(container_id)

    def _knows(self, container_id: str) -> bool:
        with self._lock:
            if container_id not in self._kept:
                return False
            self._kept.move_to_end(container_id)
            return True

    def _ask(self) -> None:
        """Raises UnavailableError if it is not asked now, or gives no answer that makes sense."""
        if self._now() < self._rests_until or not self._asking.acquire(blocking=False):
            raise UnavailableError(f"{self._place.address}: was asked a moment ago")
        try:
            from gosonde_agent.discovery.kubelet_answer import fetched  # noqa: PLC0415  # it needs OpenSSL

            self._take(pods_of(fetched(self._place)))
        except GosondeError as error:
            log.warning("the kubelet does not answer", reason=str(error))
            raise UnavailableError(str(error)) from error
        finally:
            self._rests_until = self._now() + REST_SECONDS
            self._asking.release()

    def _take(self, pods: Pods) -> None:
        if pods.passed_over:
            log.warning("pods of the kubelet were passed over", pods=pods.passed_over, reason=pods.fault)
        with self._lock:
            for container_id, names in pods.names.items():
                self._missing.pop(container_id, None)
                _put(self._kept, container_id, names)

    def _miss(self, container_id: str) -> None:
        """Raises UnavailableError unless it is certain by now that the container is none of Kubernetes."""
        now = self._now()
        with self._lock:
            if now - self._missing.get(container_id, now) >= SETTLED_SECONDS:
                del self._missing[container_id]
                _put(self._kept, container_id, None)
                return
            if container_id not in self._missing:
                _put(self._missing, container_id, now)
        raise UnavailableError(f"{self._place.address}: lists no container {container_id[:12]} yet")


def _put(kept: OrderedDict[str, Value], key: str, value: Value) -> None:
    """Adds what is newest; the oldest goes where there is too much."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST_KEPT:
        kept.popitem(last=False)
