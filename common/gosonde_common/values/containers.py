"""The container that a process runs in, and what Kubernetes calls it."""

import re
from dataclasses import asdict, astuple, dataclass
from typing import Final

#: Names that Kubernetes gives: labels and subdomains of DNS (RFC 1123).
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
#: Ids of docker, containerd, CRI-O and podman.
ID: Final = re.compile(r"[0-9a-f]{64}")
#: As the API writes it; that of a static pod is a hash without dashes.
POD_UID: Final = re.compile(r"[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}")
#: A wrong text is repeated up to so many characters.
SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Container:
    """What is known of a process's container; empty texts stand for what is not known, all of them for no container.

    Attributes:
        id: 64 hexadecimal digits, from the control group.
        pod_uid: The pod's UID, from the control group.
        namespace: Kubernetes's, as the three below: whoever knows the names was asked and has answered.
        pod: The pod's name.
        name: The container's, within the pod.
        workload: The Deployment, StatefulSet, DaemonSet or Job; empty also where the pod does not say.
    """

    id: str = ""
    pod_uid: str = ""
    namespace: str = ""
    pod: str = ""
    name: str = ""
    workload: str = ""

    @property
    def fault(self) -> str:
        """Which of its texts nobody gives to a container; empty when none."""
        forms = {"id": ID, "pod_uid": POD_UID, "namespace": NAME, "pod": NAME, "name": NAME, "workload": NAME}
        for field, form in forms.items():
            text = getattr(self, field)
            if text and not form.fullmatch(text):
                return f"{field} is {text[:SHOWN]!r}"
        return ""

    @property
    def document(self) -> dict[str, str] | None:
        """As JSON; docs/json.md describes it."""
        return asdict(self) if any(astuple(self)) else None

    def is_like(self, wanted: "Container") -> bool:
        """Whether it has every text of `wanted` that is not empty."""
        return all(text in {"", own} for text, own in zip(astuple(wanted), astuple(self), strict=True))


NO_CONTAINER: Final = Container()
