"""Who knows what Kubernetes calls the containers of this host. Nobody, unless somebody is given."""

from typing import Protocol

from gosonde_agent.model.container_names import ContainerNames


class Containers(Protocol):
    """Knows the names of containers, for any thread but that of the event loop: an answer may take seconds."""

    def names(self, container_id: str) -> ContainerNames | None:
        """What Kubernetes calls the container with this id; None where it is none of Kubernetes.

        Raises:
            UnavailableError: It is not known now; ask again later.
        """
        ...

    def kept(self, container_id: str) -> ContainerNames | None:
        """The same of what is known already, for any thread: nobody is asked."""
        ...


class Nobody:
    """Where no container runtime is to be asked."""

    def names(self, container_id: str) -> ContainerNames | None:
        """See Containers."""
        return self.kept(container_id)

    def kept(self, container_id: str) -> ContainerNames | None:
        """See Containers."""
        del container_id
        return None


class _Current:
    containers: Containers = Nobody()


def current() -> Containers:
    """Who is asked."""
    return _Current.containers


def use(containers: Containers) -> None:
    """Has this process ask them from now on."""
    _Current.containers = containers
