"""Writes deploy/kubernetes/*.yaml from the Helm chart, for those who have no helm."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import kubernetes_tools  # noqa: E402

FOLDER = ROOT / "deploy" / "kubernetes"
#: Values of the chart by file.
FILES: Mapping[str, Mapping[str, object]] = {
    "gosonde-cert-manager.yaml": {},
    "gosonde-secrets.yaml": {
        "tls.source": "secrets",
        "tls.secrets": {"agent": "gosonde-agent-tls", "collector": "gosonde-collector-tls"},
    },
}
HEADER = """\
# Made from deploy/helm/gosonde by scripts/write_manifests.py: change the chart. docs/kubernetes.md says the rest.
apiVersion: v1
kind: Namespace
metadata:
  name: gosonde
  labels:
    # The agents are in the host's pid namespace; the collector would be allowed by "restricted".
    pod-security.kubernetes.io/enforce: privileged
"""
#: Lines of the chart that only helm has a use for.
OF_HELM = re.compile(r"^ *(app\.kubernetes\.io/managed-by|helm\.sh/chart|# Source): ?.*\n", re.MULTILINE)


def manifest(values: Mapping[str, object]) -> str:
    """The text of a file with these values."""
    return HEADER + OF_HELM.sub("", kubernetes_tools.rendered(values))


if __name__ == "__main__":
    for file, values in FILES.items():
        (FOLDER / file).write_text(manifest(values))
