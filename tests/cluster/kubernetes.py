"""Kubernetes' servers, built from the source that Debian has: no registry and no package has them built.

`python -m tests.cluster.kubernetes` builds them, in some ten minutes of two processors, and prints their folder.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import debian_packages, real_binaries, toolchains

#: Debian 12 calls it 1.20.5+really1.20.2; its patches concern kubectl alone.
VERSION = "1.20.2"
SUITE = "bookworm"
#: The one that Debian builds it with. It still takes a tree without modules.
TOOLCHAIN = toolchains.DEBIAN
SERVERS = ("kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
PACKAGE = "k8s.io/kubernetes"
#: What says of which version they are: `hack/lib/version.sh`.
STAMPED = tuple(f"{PACKAGE}/vendor/k8s.io/{name}/version" for name in ("component-base", "client-go/pkg"))
MARK = "+k8s:openapi-gen="
#: Folders with the mark that are of other programs.
OTHERS = ("code-generator", "sample-apiserver", "_examples", "testdata")


def servers() -> Path:
    """The folder of SERVERS."""
    return real_binaries.cached(f"kubernetes_{VERSION}_{TOOLCHAIN}", _build)


def _build(folder: Path) -> None:
    work = folder / "work"
    tree = work / "src" / PACKAGE
    tree.mkdir(parents=True)
    debian_packages.fetch_source("kubernetes", SUITE, work)
    (archive,) = work.glob("*.orig.tar.gz")
    subprocess.run(("tar", "--extract", "--file", archive, "--directory", work), check=True)
    (unpacked,) = work.glob(f"kubernetes-{VERSION}")
    tree.rmdir()
    unpacked.rename(tree)
    try:
        _generate(work, tree)
        _go_build(work, tree, folder, *(f"./cmd/{name}" for name in SERVERS))
    finally:
        shutil.rmtree(work)


def _generate(work: Path, tree: Path) -> None:
    """Writes the one file that is made when Kubernetes is built: what the API server says of its API."""
    _go_build(work, tree, work, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
    header = "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"
    command = (
        work / "openapi-gen", "--logtostderr", "-i", ",".join(_described(tree)), "-h", header, "-r", work / "rules",
        "-p", f"{PACKAGE}/pkg/generated/openapi", "-O", "zz_generated.openapi",
    )  # fmt: skip
    _run(command, work, tree)


def _described(tree: Path) -> list[str]:
    """The packages of the API, as `Makefile.generated_files` finds them."""
    found = set()
    for place in ("staging/src/k8s.io", "pkg"):
        for file in (tree / place).rglob("*.go"):
            if MARK in file.read_text() and not set(OTHERS) & set(file.parts):
                folder = str(file.parent.relative_to(tree)).replace("staging/src/", "vendor/")
                found.add(f"{PACKAGE}/{folder}")
    return sorted(found)


def _go_build(work: Path, tree: Path, into: Path, *packages: str) -> None:
    major, minor, _ = VERSION.split(".")
    said = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    stamps = (f"-X {place}.{name}={value}" for place in STAMPED for name, value in said.items())
    flags = " ".join(("-s", "-w", *stamps))
    _run((toolchains.go(TOOLCHAIN), "build", "-trimpath", "-ldflags", flags, "-o", f"{into}/", *packages), work, tree)


def _run(command: tuple[str | Path, ...], work: Path, tree: Path) -> None:
    subprocess.run(command, cwd=tree, env=_environment(work), check=True, stdout=sys.stderr)


def _environment(work: Path) -> dict[str, str]:
    """Kubernetes 1.20 is built below GOPATH. What was compiled is of use to nobody else, and goes at the end."""
    path = f"{toolchains.go(TOOLCHAIN).parent}:{os.environ['PATH']}"
    own = {"GO111MODULE": "off", "GOPATH": str(work), "GOFLAGS": "", "GOCACHE": str(work / "gocache"), "PATH": path}
    return toolchains.environment(TOOLCHAIN) | own


if __name__ == "__main__":
    print(servers())  # noqa: T201
