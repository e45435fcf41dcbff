"""Whose a metric is: the labels that all metrics of processes have."""

from typing import Final, NamedTuple

from gosonde_common.values.containers import Container

#: Stands for the function of all other sites, and for the process of those for which there is no room.
OTHERS: Final = "(others)"


class Owner(NamedTuple):
    """The labels of a process; those of its container are empty where that is in none, or has no names yet.

    `host` is empty in an agent's own metrics.
    """

    host: str
    pid: str
    exe: str
    namespace: str = ""
    pod: str = ""
    container: str = ""

    @property
    def process(self) -> tuple[str, str, str]:
        """(host, pid, exe): these do not change when names become known."""
        return self[:3]

    @property
    def others(self) -> "Owner":
        """Stands for all other processes of the host."""
        return Owner(self.host, OTHERS, OTHERS)


def owner_of(host: str, pid: int, exe: str, container: Container) -> Owner:
    """The labels of a process. Without a name its container has no labels: an id is none that anybody asks for."""
    return Owner(host, str(pid), exe, container.namespace, container.pod, container.name)
