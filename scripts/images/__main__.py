"""Builds the images of agent and collector and their SBOMs: python -m scripts.images FOLDER (as root).

No daemon, no registry and no other image: Debian's packages, gosonde's own package for Debian 12, and buildah.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gosonde_common import __version__

from scripts.images import root, sbom
from scripts.packages.releases import PACKAGES, ROOT

RELEASE = "deb12"


def main() -> None:
    """Builds what the argument names a folder for."""
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    command = ("git", "-C", ROOT, "log", "-1", "--format=%ct")
    epoch = (
        os.environ.get("SOURCE_DATE_EPOCH")
        or subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )
    os.environ["SOURCE_DATE_EPOCH"] = epoch
    with tempfile.TemporaryDirectory(prefix="gosonde-images.") as name:
        work = Path(name)
        subprocess.run((sys.executable, "-m", "scripts.packages", work, RELEASE), check=True, cwd=ROOT)
        for package in PACKAGES:
            (package_file,) = work.glob(f"{package.name}_*.deb")
            folder = work / package.name
            root.make(folder, package.name, package_file)
            bom = sbom.of_root(folder, package.name, __version__, int(epoch))
            (target / f"{package.name}.cdx.json").write_text(bom)
            root.pack(folder, work / "root.tar", epoch)
            print(_build(work, package.name, target, epoch))


def _build(work: Path, name: str, target: Path, epoch: str) -> Path:
    archive = target / f"{name}_{__version__}_amd64.oci.tar"
    archive.unlink(missing_ok=True)
    buildah = ("buildah", "--root", work / "storage", "--runroot", work / "run")
    file = ROOT / "deploy/container" / f"{name}.Containerfile"
    image = f"localhost/{name}:{__version__}"
    subprocess.run(
        (*buildah, "build", "--quiet", "--timestamp", epoch, "--tag", image, "--file", file, work),
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    subprocess.run((*buildah, "push", "--quiet", image, f"oci-archive:{archive}:{image}"), check=True)
    # What it stored is mounted by no one now, and goes with the folder.
    subprocess.run((*buildah, "rmi", "--all"), check=True, stdout=subprocess.DEVNULL)
    return archive


main()
