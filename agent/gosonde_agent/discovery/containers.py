"""The container of a process as it is reported: from its control group, with names where somebody knows them."""

from dataclasses import replace

from gosonde_common.errors import GosondeError
from gosonde_common.values.containers import NO_CONTAINER, Container

from gosonde_agent.discovery import facts, named
from gosonde_agent.host import procfs
from gosonde_agent.model.container_names import ContainerNames


def container_of(pid: int, start_ticks: int) -> Container:
    """The container of a process, with the names that are known by now: nobody is asked.

    Args:
        pid: The process.
        start_ticks: /proc/PID/stat, field 22.

    Returns:
        NO_CONTAINER also of a process that has ended, and of one in a container within another: its control group has
        the ids of both, and which one the names are for would be a guess.
    """
    ids, uids = map(sorted, facts.containers_and_pods(pid))
    try:
        is_same = procfs.start_of(pid).ticks == start_ticks
    except GosondeError:
        return NO_CONTAINER
    if not is_same or len(ids) != 1:
        return NO_CONTAINER
    found = Container(ids[0], uids[0] if len(uids) == 1 else "")
    names = named.current().kept(found.id)
    return with_names(found, names) if names else found


def with_names(container: Container, names: ContainerNames) -> Container:
    """The container with what Kubernetes calls it."""
    return replace(container, namespace=names.namespace, pod=names.pod, name=names.container, workload=names.workload)
