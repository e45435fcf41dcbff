"""Kernels from the packages of their distributions, unpacked below ~/.cache/gosonde; nothing is installed."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import debian_packages, toolchains
from tests.debian_packages import Source
from tests.kernels.architectures import Architecture
from tests.kernels.kernels import Kernel

UBUNTU = "http://archive.ubuntu.com/ubuntu"
#: Of the packages that a kernel depends on, those that have files of it.
PARTS = re.compile(r"linux-(image|binary|modules)-\d\S*")
WITHOUT = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances", "pre-depends")


def cache(architecture: Architecture) -> Path:
    """Where everything for an architecture is kept."""
    folder = toolchains.cache_dir() / "kernels" / architecture.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetched(kernel: Kernel, architecture: Architecture) -> Path:
    """The folder with the newest package of a kernel, unpacked.

    Raises:
        LookupError: The distribution has no such kernel.
        subprocess.CalledProcessError: apt could not fetch it; its own message is on stderr.
    """
    known = debian_packages.updated(_source(kernel, architecture), cache(architecture) / f"apt-{kernel.suite}")
    package = f"linux-image-{architecture.flavours[kernel.distribution]}"
    listing = ("apt-cache", *known, "depends", "--recurse", *(f"--no-{name}" for name in WITHOUT), package)
    found = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    parts = sorted({line for line in found.splitlines() if PARTS.fullmatch(line)})
    if not parts:
        raise LookupError(f"{kernel.suite} of {kernel.distribution} has no {package}")
    return _unpacked(known, parts, cache(architecture) / "_".join((kernel.suite, _version(known, package))))


def _version(known: list[str], package: str) -> str:
    command = ("apt-cache", *known, "show", "--no-all-versions", package)
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^Version: ([\w.+~:-]+)$", shown, re.MULTILINE)
    if not found:
        raise LookupError(f"apt does not say which version {package} has")
    return found[1]


def _source(kernel: Kernel, architecture: Architecture) -> Source:
    if kernel.distribution == "debian":
        archive, keys = debian_packages.archive(), Path(debian_packages.KEYS)
    else:
        archive, keys = UBUNTU, unpacked_from_debian("ubuntu-keyring", "trixie", architecture)
        keys /= "usr/share/keyrings/ubuntu-archive-keyring.gpg"
    return Source(archive, kernel.suite, keys, architecture.name)


def unpacked_from_debian(package: str, suite: str, architecture: Architecture) -> Path:
    """The folder with the files of one of Debian's packages."""
    folder = cache(architecture) / package
    with toolchains.locked(folder.with_suffix(".lock")):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
                unpacked = Path(unfinished) / "unpacked"
                unpacked.mkdir()
                debian_packages.unpack_from(suite, [package], unpacked, architecture.name)
                unpacked.rename(folder)
    return folder


def _unpacked(known: list[str], parts: list[str], folder: Path) -> Path:
    with toolchains.locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
                download = ["apt-get", *known, "download", *parts]
                subprocess.run(download, cwd=unfinished, stdout=sys.stderr, check=True)
                unpacked = Path(unfinished) / "unpacked"
                debian_packages.extract(Path(unfinished), unpacked)
                unpacked.rename(folder)
    return folder
