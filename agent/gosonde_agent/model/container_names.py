"""What Kubernetes calls a container."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gosonde_common.values.containers import NAME

#: What a controller's pods have behind its name: five letters of their own.
OWN: Final = r"-[a-z0-9]{5}"


@dataclass(frozen=True, slots=True)
class ContainerNames:
    """Names of a container and of what it belongs to; each matches NAME.

    Attributes:
        workload: The Deployment, StatefulSet, DaemonSet or Job; empty where it is not known.
    """

    namespace: str
    pod: str
    container: str
    workload: str = ""


def workload_of(pod: str, labels: Mapping[str, str]) -> str:
    """The name of the controller of a pod, by the labels that Kubernetes gives its pods; empty where they say nothing.

    A label counts only where the pod's name has the same: a user can write labels, and so name another's workload.

    Args:
        pod: The pod's name.
        labels: Its labels.
    """
    revision = labels.get("pod-template-hash")
    if revision:
        return _before(pod, f"-{re.escape(revision)}{OWN}")
    if labels.get("statefulset.kubernetes.io/pod-name") == pod:
        return _before(pod, r"-[0-9]+")
    job = labels.get("batch.kubernetes.io/job-name", labels.get("job-name", ""))
    if job:
        return job if re.fullmatch(rf"{re.escape(job)}(-[0-9]+)?{OWN}", pod) else ""
    return _before(pod, OWN) if "controller-revision-hash" in labels else ""


def _before(pod: str, end: str) -> str:
    found = re.fullmatch(rf"({NAME.pattern}){end}", pod)
    return found[1] if found else ""
