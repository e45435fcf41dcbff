"""The Debian packages: built from this tree, and the same as a version before this one would have been."""

import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT

FORMER = "0.0.9"
NAMES = ("gosonde-agent", "gosonde-collector")
#: Stands in the example configurations of the former version alone.
FORMER_LINE = "# An example of 0.0.9."
FORMER_MODULE = "gosonde_cli/of_the_former_version.py"


def build(folder: Path, release: str) -> None:
    """Builds both packages for a release into a folder."""
    command = (sys.executable, "-m", "scripts.packages", folder, release)
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def find(folder: Path, name: str) -> Path:
    """The file of a package."""
    (path,) = folder.glob(f"{name}_*.deb")
    return path


def make_former(folder: Path, target: Path) -> None:
    """Packages of a former version: other example configurations, and a module that is no more."""
    for name in NAMES:
        path = find(folder, name)
        tree = target / name
        subprocess.run(("dpkg-deb", "-R", path, tree), check=True)
        _, version, _ = path.stem.split("_")
        former = f"{FORMER}-{version.split('-')[1]}"
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace(f"Version: {version}", f"Version: {former}"))
        (configuration,) = (tree / "etc/gosonde").iterdir()
        configuration.write_text(f"{FORMER_LINE}\n{configuration.read_text()}")
        (tree / "usr/lib" / name / "lib/gosonde/python" / FORMER_MODULE).touch()
        subprocess.run(
            ("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, target / f"{name}_{former}_amd64.deb"),
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
