"""The chart, installed in a cluster as docs/kubernetes.md says, with certificates that are given to it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster import credentials, services
from tests.cluster.cluster import Cluster
from tests.cluster.room import NODE
from tests.containerd import IMAGE
from tests.kubernetes_tools import CHART

NAME = NAMESPACE = "gosonde"
SELECTOR = f"app.kubernetes.io/instance={NAME}"
COLLECTOR, AGENT = "gosonde-collector-0", "daemonset/gosonde-agent"
TOKEN = "6b" * 32
#: Where the node keeps what the collector stores.
VOLUME = "/var/lib/volumes/collector"
SHOP, WORKLOAD, CONTAINER = "shop", "checkout", "server"
VALUES: Final[dict[str, Any]] = {
    "cluster": "test",
    "tls": {"source": "secrets", "secrets": {"agent": "gosonde-agent-tls", "collector": "gosonde-collector-tls"}},
}
#: The node's own Go programs are files of this host, which others run as well: no agent watches them.
RULES: Final = {"allow": [f"namespace:{SHOP}"]}
AGENT_VALUES: Final[dict[str, Any]] = {"cri": services.CONTAINERD, "config": RULES}


class Release:
    """Not installed yet: the namespace, the secrets and a volume are there.

    Args:
        cluster: Where.
        folder: An empty folder for certificates.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._values = folder / "values.yaml"
        cluster.kubectl("create", "namespace", NAMESPACE)
        cluster.room.run("mkdir", "-p", VOLUME)
        cluster.apply(_volume())
        credentials.authority(folder)
        served = f"DNS:gosonde-collector.{NAMESPACE}.svc,DNS:localhost"
        for part, name in (("agent", f"DNS:*.{VALUES['cluster']}"), ("collector", served)):
            credentials.issue(folder, part, f"/CN={part}", name)
            files = (f"tls.crt={folder}/{part}.pem", f"tls.key={folder}/{part}.key", f"ca.crt={folder}/ca.pem")
            self._secret(f"gosonde-{part}-tls", *(f"--from-file={file}" for file in files))
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        self._secret("gosonde-tokens", f"--from-literal=tokens=admin {digest} me")

    def install(self) -> None:
        """Returns when the API server has all objects."""
        self._helm("install", AGENT_VALUES)

    def upgrade(self, agent: Mapping[str, Any]) -> None:
        """Installs it with other values of the agent, and returns when its pods are ready."""
        self._helm("upgrade", agent)
        self.await_pods()

    def uninstall(self) -> None:
        """Returns when all its pods are gone."""
        self._cluster.helm("uninstall", NAME, "--namespace", NAMESPACE)
        self.kubectl("wait", "--for=delete", "pods", f"--selector={SELECTOR}", "--timeout=600s")

    def await_pods(self) -> None:
        """Returns when agent and collector are ready."""
        for what in (AGENT, "statefulset/gosonde-collector"):
            self.kubectl("rollout", "status", what, "--timeout=600s")

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """What kubectl prints in the namespace of the release."""
        return self._cluster.kubectl("--namespace", NAMESPACE, *arguments, check=check)

    def asked(self, *command: str) -> list[dict[str, Any]]:
        """What a command answers whose question goes to the collector; nothing while that cannot be asked."""
        where = ("env", "GOSONDE_CA=/etc/gosonde/tls/ca.crt", f"GOSONDE_TOKEN={TOKEN}", "gosonde", *command)
        text = self.kubectl("exec", COLLECTOR, "--", *where, "--collector", "localhost:9318", "--json", check=False)
        found: list[dict[str, Any]] = json.loads(text) if text else []
        return found

    def _secret(self, name: str, *content: str) -> None:
        self.kubectl("create", "secret", "generic", name, *content)

    def _helm(self, command: str, agent: Mapping[str, Any]) -> None:
        self._values.write_text(yaml.safe_dump(VALUES | {"agent": dict(agent)}))
        self._cluster.helm(command, NAME, CHART, "--namespace", NAMESPACE, "--values", self._values)


def shop(rate: str = "10") -> tuple[dict[str, Any], dict[str, Any]]:
    """A namespace, and in it a Deployment of one pod that leaks so many goroutines a second."""
    labels = {"app": WORKLOAD}
    container = {"name": CONTAINER, "image": IMAGE, "command": ["/leak", rate], "stdin": True}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": WORKLOAD, "namespace": SHOP},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}}, deployment


def _volume() -> dict[str, Any]:
    """What the collector's claim is given: the cluster has nobody who makes volumes."""
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "collector"},
        "spec": {
            "capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": VOLUME},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }  # fmt: skip
