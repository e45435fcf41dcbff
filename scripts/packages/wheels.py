"""The Python packages that go into the packages: wheels of locked versions, kept below ~/.cache between builds.

`python -m scripts.packages.wheels` locks today's newest versions that pyproject.toml allows.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from scripts.packages.releases import ARCHITECTURES, DEBIAN, RELEASES, ROOT, Release

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
    folder = CACHE / f"{release.name}-{release.architecture.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
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
    """Writes the lock of a release anew, with the wheels of all processors.

    Raises:
        ValueError: A package has different versions for them.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip("download", "--no-deps", "--no-binary=:all:", "--dest", folder, *FROM_SOURCES)
        _build_sources(folder)
        for architecture in ARCHITECTURES.values():
            flags = replace(release, architecture=architecture).for_pip
            pip("download", "--find-links", folder, "--dest", folder, *flags, *_wanted())
        built = {f"{path.name.removesuffix('.tar.gz')}-py3-none-any.whl" for path in folder.glob("*.tar.gz")}
        lines = _lines(path for path in folder.iterdir() if path.name not in built)
        release.lock.write_text("# Written by `make package-lock`.\n" + "".join(lines))


def _wanted() -> Sequence[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["agent"], *extras["collector"], *extras["otlp"]]


def _lines(paths: Iterable[Path]) -> list[str]:
    """A line for each package, with its version and the digests of its files."""
    digests: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        name, version = path.name.removesuffix(".tar.gz").split("-")[:2]
        digests[name.replace("_", "-"), version].append(hashlib.sha256(path.read_bytes()).hexdigest())
    if len(digests) != len({name for name, _ in digests}):
        raise ValueError(f"not all processors have the same versions of the packages: {sorted(digests)}")
    hashes = {each: "".join(f" --hash=sha256:{digest}" for digest in sorted(found)) for each, found in digests.items()}
    return sorted(f"{name}=={version}{hashes[name, version]}\n" for name, version in digests)


if __name__ == "__main__":
    for each in RELEASES:
        lock(each)
