"""The Python packages that go into the packages: wheels of locked versions, kept below ~/.cache between builds.

`python -m scripts.packages.wheels` locks today's newest versions that pyproject.toml allows.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from scripts.packages.releases import DEBIAN, RELEASES, ROOT, Release

CACHE = Path.home() / ".cache" / "gosonde" / "wheels"
#: Of these PyPI has sources alone; they are the same for every release.
FROM_SOURCES = ("sdnotify",)


def pip(*arguments: str | Path) -> None:
    """Runs pip; what it builds is built by locked versions.

    Raises:
        subprocess.CalledProcessError: It failed, and said why.
    """
    command = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PIP_CONSTRAINT": str(DEBIAN / "build.txt")})


def fetch(release: Release) -> Path:
    """A folder with the wheels of a release; whatever has another digest than the lock's is refused.

    Raises:
        subprocess.CalledProcessError: pip could not have one of them.
    """
    lock = release.lock.read_bytes()
    folder = CACHE / f"{release.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (folder / "complete").exists():
        flags = [flag for flag in release.for_pip if not flag.startswith("--only-binary")]
        pip("download", "--no-deps", "--require-hashes", "--dest", folder, *flags, "--requirement", release.lock)
        _build_sources(folder)
        (folder / "complete").touch()
    return folder


def _build_sources(folder: Path) -> None:
    for archive in folder.glob("*.tar.gz"):
        pip("wheel", "--no-deps", "--wheel-dir", folder, archive)


def lock(release: Release) -> None:
    """Writes the lock of a release anew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip("download", "--no-deps", "--no-binary=:all:", "--dest", folder, *FROM_SOURCES)
        _build_sources(folder)
        pip("download", "--find-links", folder, "--dest", folder, *release.for_pip, *_wanted())
        built = {f"{path.name.removesuffix('.tar.gz')}-py3-none-any.whl" for path in folder.glob("*.tar.gz")}
        lines = sorted(_line(path) for path in folder.iterdir() if path.name not in built)
    release.lock.write_text("# Written by `make package-lock`.\n" + "".join(lines))


def _wanted() -> Sequence[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["agent"], *extras["collector"]]


def _line(path: Path) -> str:
    name, version = path.name.removesuffix(".tar.gz").split("-")[:2]
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


if __name__ == "__main__":
    for each in RELEASES:
        lock(each)
