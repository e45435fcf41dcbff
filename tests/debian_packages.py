"""Files of Debian packages, fetched with apt and unpacked: nothing is installed, so no service starts."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

#: Where Debian's packages are signed for.
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Unpacks the packages' files into `folder`.

    Raises:
        subprocess.CalledProcessError: apt could not fetch them; its own message is on stderr.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        fetch = ["apt-get", "download", "--quiet", *packages]
        if subprocess.run(fetch, cwd=downloads, stdout=sys.stderr, check=False).returncode:
            subprocess.run(["apt-get", "update", "--quiet"], stdout=sys.stderr, check=True)
            subprocess.run(fetch, cwd=downloads, stdout=sys.stderr, check=True)
        extract(Path(downloads), folder)


def unpack_from(suite: str, packages: Sequence[str], folder: Path, architecture: str = "") -> None:
    """Unpacks packages of a suite that this machine's apt does not know, and leaves apt as it is.

    Raises:
        subprocess.CalledProcessError: apt could not fetch them; its own message is on stderr.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        apart = updated(Source(archive(), suite, KEYS, architecture), Path(downloads))
        subprocess.run(["apt-get", *apart, "download", *packages], cwd=downloads, stdout=sys.stderr, check=True)
        extract(Path(downloads), folder)


class Source(NamedTuple):
    """Where packages come from.

    Attributes:
        archive: The address of the archive.
        suite: For example "trixie".
        keys: The file of the keys that sign for it.
        architecture: Debian's name of it; empty for this machine's.
        kind: "deb" for packages, "deb-src" for their sources.
    """

    archive: str
    suite: str
    keys: str | Path
    architecture: str = ""
    kind: str = "deb"


def archive() -> str:
    """The archive of Debian that this machine's apt uses."""
    known = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    archives = subprocess.run(known, check=True, capture_output=True, text=True).stdout.split()
    return next(uri for uri in archives if uri.rstrip("/").endswith("/debian"))


def updated(source: Source, state: Path) -> list[str]:
    """Flags with which apt-get and apt-cache know this source alone, as it is now; what apt keeps is in `state`.

    Raises:
        subprocess.CalledProcessError: apt could not fetch its lists; its own message is on stderr.
    """
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    sources = state / "sources.list"
    sources.write_text(f"{source.kind} [signed-by={source.keys}] {source.archive} {source.suite} main\n")
    places = {
        "State": "",
        "State::Lists": "lists",
        "State::Status": "status",
        "Cache": "",
        "Etc::SourceList": sources.name,
    }
    (state / "status").touch()
    flags = ["--quiet", *(f"-oDir::{name}={state / place}" for name, place in places.items())]
    flags += ["-oDir::Etc::SourceParts=/dev/null", "-oDir::Etc::PreferencesParts=/dev/null"]
    flags += ["-oAPT::Sandbox::User=root"]  # apt's own user need not see the folder
    if source.architecture:
        flags += [f"-oAPT::Architecture={source.architecture}", f"-oAPT::Architectures={source.architecture}"]
    subprocess.run(["apt-get", *flags, "update"], stdout=sys.stderr, check=True)
    return flags


def fetch_source(package: str, suite: str, folder: Path) -> None:
    """Downloads the source of a package as its makers wrote it, without Debian's patches: `*.orig.tar.*` in `folder`.

    Raises:
        subprocess.CalledProcessError: apt could not fetch it; its own message is on stderr.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as state:
        apart = updated(Source(archive(), suite, KEYS, kind="deb-src"), Path(state))
        fetch = ("apt-get", *apart, "source", "--download-only", package)
        subprocess.run(fetch, cwd=folder, stdout=sys.stderr, check=True)


def extract(downloads: Path, folder: Path) -> None:
    """Unpacks all packages that are in a folder."""
    for archive in downloads.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(folder)], check=True)
