"""Who runs a process and where: its unit, container, pod, user and labels. Read when a rule asks for it."""

import os
import pwd
import re
from pathlib import Path

from gosonde_agent.discovery import named
from gosonde_agent.host import access
from gosonde_agent.host.threads import within
from gosonde_agent.model.container_names import ContainerNames

#: Where the kernel reports processes.
PROC = Path("/proc")
#: Names of users may come from another host, and a process can hold up whoever reads its environment.
ANSWER_SECONDS = 1.0
#: Nothing longer is read from a process's own files.
MAX_BYTES = 1 << 20
UNIT = re.compile(r"([^/]+\.(?:service|scope|slice|socket|mount))(?=/|$)")
#: An id of docker, containerd, CRI-O or podman, whatever stands around it.
CONTAINER = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
#: A folder of Kubernetes for a pod: systemd has the UID's dashes as underscores. UIDs of static pods have neither.
POD = re.compile(r"(?<![^/-])pod([0-9a-f]{8}([-_]?)(?:[0-9a-f]{4}\2){3}[0-9a-f]{12})(?=/|\.slice|$)")


def units(pid: int) -> frozenset[str]:
    """The systemd units that a process belongs to, as its control group names them; slices among them."""
    return frozenset(UNIT.findall(_cgroup(pid)))


def containers(pid: int) -> frozenset[str]:
    """The id of the container that a process is in, by its control group; none outside of one."""
    return _container_ids(_cgroup(pid))


def pods(pid: int) -> frozenset[str]:
    """The UID of the Kubernetes pod that a process is in, as the API writes it; none outside of one."""
    return _pod_uids(_cgroup(pid))


def containers_and_pods(pid: int) -> tuple[frozenset[str], frozenset[str]]:
    """Both, of one moment."""
    group = _cgroup(pid)
    return _container_ids(group), _pod_uids(group)


def _container_ids(group: str) -> frozenset[str]:
    return frozenset(CONTAINER.findall(group))


def _pod_uids(group: str) -> frozenset[str]:
    return frozenset(uid.replace("_", "-") for uid, _ in POD.findall(group))


def namespaces(pid: int) -> frozenset[str]:
    """The Kubernetes namespace of a process's container. Raises UnavailableError if it is not known now."""
    return frozenset(names.namespace for names in _names_of(pid))


def pod_names(pid: int) -> frozenset[str]:
    """The name of its Kubernetes pod. Raises as `namespaces`."""
    return frozenset(names.pod for names in _names_of(pid))


def container_names(pid: int) -> frozenset[str]:
    """The name of its container within the pod. Raises as `namespaces`."""
    return frozenset(names.container for names in _names_of(pid))


def workloads(pid: int) -> frozenset[str]:
    """The Deployment, StatefulSet, DaemonSet or Job of its pod, where that is known. Raises as `namespaces`."""
    return frozenset(names.workload for names in _names_of(pid) if names.workload)


def _names_of(pid: int) -> list[ContainerNames]:
    known = named.current()
    return [names for container in sorted(containers(pid)) if (names := known.names(container)) is not None]


def users(pid: int) -> frozenset[str]:
    """The user that a process runs as: name and number, as this host has them."""
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return frozenset()
    return frozenset({str(uid), *(within(ANSWER_SECONDS, lambda: _names(uid)) or ())})


def _names(uid: int) -> tuple[str, ...]:
    try:
        return (pwd.getpwuid(uid).pw_name,)
    except KeyError:
        return ()


def labels(pid: int) -> frozenset[str]:
    """The labels that a process was started with."""
    text = os.fsdecode(within(ANSWER_SECONDS, lambda: access.current().labels(pid)) or b"")
    return frozenset(label.strip() for label in text.split(",") if label.strip())


def _cgroup(pid: int) -> str:
    """The paths of a process's control groups, one a line."""
    lines = os.fsdecode(_read(pid, "cgroup")).splitlines()
    return "\n".join(line.split(":", 2)[-1] for line in lines)


def _read(pid: int, name: str) -> bytes:
    try:
        with (PROC / str(pid) / name).open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""
