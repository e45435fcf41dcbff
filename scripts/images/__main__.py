"""Builds the images of agent and collector and their SBOMs: python -m scripts.images FOLDER [ARCHITECTURE...], as root.

No daemon, no registry and no other image: Debian's packages, gosonde's own package for Debian 12, and buildah. Each
archive has the image for all architectures that are named, by default all that there are; equal sources give images of
equal digests, as long as Debian has the same packages.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gosonde_common import __version__

from scripts.images import root, sbom
from scripts.packages.releases import ARCHITECTURES, PACKAGES, ROOT

RELEASE = "deb12"


def main() -> None:
    """Builds what the arguments name."""
    parser = argparse.ArgumentParser(prog="scripts.images")
    parser.add_argument("folder", type=Path)
    # With choices= argparse would refuse the default of nargs="*".
    parser.add_argument("architecture", nargs="*", default=[*ARCHITECTURES], type=_architecture)
    arguments = parser.parse_args()
    target = arguments.folder.resolve()
    target.mkdir(parents=True, exist_ok=True)
    command = ("git", "-C", ROOT, "log", "-1", "--format=%ct")
    epoch = (
        os.environ.get("SOURCE_DATE_EPOCH")
        or subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )
    os.environ["SOURCE_DATE_EPOCH"] = epoch
    with tempfile.TemporaryDirectory(prefix="gosonde-images.") as name:
        images = Images(Path(name), target, epoch)
        for architecture in arguments.architecture:
            for package in PACKAGES:
                images.add(package.name, architecture)
        for package in PACKAGES:
            print(images.write(package.name))
        images.forget()


def _architecture(name: str) -> str:
    if name not in ARCHITECTURES:
        raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(ARCHITECTURES)}")
    return name


class Images:
    """Those that are built, each as a list of what there is for each architecture.

    Args:
        work: A folder for all that is made on the way.
        target: The folder for the archives and their SBOMs.
        epoch: Their time, in seconds since 1970.
    """

    def __init__(self, work: Path, target: Path, epoch: str) -> None:
        self._work, self._target, self._epoch = work, target, epoch
        self._buildah = ("buildah", "--root", work / "storage", "--runroot", work / "run")
        command = ("dpkg", "--print-architecture")
        self._own = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def add(self, name: str, architecture: str) -> None:
        """Builds one for an architecture."""
        packages, files = self._work / f"packages-{architecture}", self._work / "root"
        if not packages.exists():
            build = (sys.executable, "-m", "scripts.packages", packages, RELEASE, architecture)
            subprocess.run(build, check=True, cwd=ROOT)
        (package,) = packages.glob(f"{name}_*.deb")
        root.make(files, name, package, self._debian(architecture), self._debian(self._own))
        bom = sbom.of_root(files, name, __version__, int(self._epoch))
        (self._target / f"{name}_{architecture}.cdx.json").write_text(bom)
        root.pack(files, self._work / "root.tar", self._epoch)
        shutil.rmtree(files)
        file = ROOT / "deploy/container" / f"{name}.Containerfile"
        subprocess.run(
            (*self._buildah, "build", "--quiet", "--timestamp", self._epoch, "--platform", f"linux/{architecture}",
             "--manifest", _reference(name), "--file", file, self._work),
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def _debian(self, architecture: str) -> Path:
        folder = self._work / f"debian-{architecture}"
        if not folder.exists():
            root.debian(folder, architecture)
        return folder

    def write(self, name: str) -> Path:
        """Writes the archive of one; it holds all architectures, and whoever loads it takes that of the host."""
        archive = self._target / f"{name}_{__version__}.oci.tar"
        archive.unlink(missing_ok=True)
        reference = _reference(name)
        push = (*self._buildah, "manifest", "push", "--quiet", "--all", reference, f"oci-archive:{archive}:{reference}")
        subprocess.run(push, check=True)
        return archive

    def forget(self) -> None:
        """What buildah stored is mounted by no one now, and goes with the folder."""
        subprocess.run((*self._buildah, "rmi", "--all", "--force"), check=True, stdout=subprocess.DEVNULL)


def _reference(name: str) -> str:
    return f"localhost/{name}:{__version__}"


main()
