"""Files of Debian packages, fetched with apt and unpacked: nothing is installed, so no service starts."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

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
        _extract(Path(downloads), folder)


def unpack_from(suite: str, packages: Sequence[str], folder: Path) -> None:
    """Unpacks packages of a suite that this machine's apt does not know, and leaves apt as it is.

    Raises:
        subprocess.CalledProcessError: apt could not fetch them; its own message is on stderr.
    """
    known = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    archives = subprocess.run(known, check=True, capture_output=True, text=True).stdout.split()
    archive = next(uri for uri in archives if uri.rstrip("/").endswith("/debian"))
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        for name in ("lists/partial", "archives/partial"):
            (Path(downloads) / name).mkdir(parents=True)
        sources = Path(downloads) / "sources.list"
        sources.write_text(f"deb [signed-by={KEYS}] {archive} {suite} main\n")
        places = {"State": ".", "State::Lists": "lists", "Cache": ".", "Etc::SourceList": sources.name}
        own = [f"-oDir::{name}={Path(downloads) / place}" for name, place in places.items()]
        apt = ["apt-get", "--quiet", *own, "-oDir::Etc::SourceParts=/dev/null"]
        subprocess.run([*apt, "update"], stdout=sys.stderr, check=True)
        subprocess.run([*apt, "download", *packages], cwd=downloads, stdout=sys.stderr, check=True)
        _extract(Path(downloads), folder)


def _extract(downloads: Path, folder: Path) -> None:
    for archive in downloads.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(folder)], check=True)
