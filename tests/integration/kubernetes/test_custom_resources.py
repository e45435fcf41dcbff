"""What the chart asks of cert-manager and of the Prometheus operator is what their models know."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import kubernetes_tools, real_binaries
from tests.integration.kubernetes.test_chart import CUSTOM, VARIANTS

PACKAGES = (
    "cloudcoil==0.6.0",
    "cloudcoil-models-cert-manager==1.17.1.0",
    "cloudcoil-models-prometheus-operator==0.80.1.0",
)
#: Says of each object what the model has no field for: that is missing when it is written out again.
CHECK = """
import sys, yaml
from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.prometheus_operator import v1 as prometheus
models = {"Certificate": cert_manager.Certificate, "Issuer": cert_manager.Issuer, "PodMonitor": prometheus.PodMonitor}
for document in yaml.safe_load_all(sys.stdin):
    known = models[document["kind"]].model_validate(document)
    again = known.model_dump(by_alias=True, exclude_unset=True, mode="json")
    print(document["kind"], "known" if again == document else f"not known: {document} is {again}")
"""
pytestmark = pytest.mark.minutes


def _install(folder: Path) -> None:
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *PACKAGES)
    subprocess.run(pip, check=True, stdout=sys.stderr)


def checked(text: str) -> list[str]:
    """A line for each object in a text of YAML, which has such objects alone."""
    models = real_binaries.cached("cloudcoil-1.17.1-0.80.1", _install)
    done = subprocess.run(
        (sys.executable, "-c", CHECK),
        check=False, input=text, capture_output=True, text=True, env={"PYTHONPATH": str(models)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def custom(text: str) -> str:
    return "\n---\n".join(part for part in text.split("\n---\n") if any(f"kind: {kind}\n" in part for kind in CUSTOM))


def test_the_objects_for_others_are_what_they_know() -> None:
    parts = [custom(kubernetes_tools.rendered(VARIANTS[name])) for name in ("as it is", "with metrics")]
    issuer = custom(kubernetes_tools.rendered(VARIANTS["with another issuer"]))
    lines = checked("\n---\n".join([*parts, issuer]))
    kinds = [line.split()[0] for line in lines]
    assert [line for line in lines if not line.endswith(" known")] == []
    assert (kinds.count("Issuer"), kinds.count("Certificate"), kinds.count("PodMonitor")) == (4, 8, 2)


def test_a_key_that_they_do_not_know_would_be_seen() -> None:
    text = custom(kubernetes_tools.rendered({})).replace("rotationPolicy:", "rotatePolicy:")
    assert [line for line in checked(text) if "not known: " in line and "rotatePolicy" in line]
