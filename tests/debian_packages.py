"""Files of Debian packages, fetched with apt and unpacked: nothing is installed, so no service starts."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


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
        for archive in Path(downloads).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", str(archive), str(folder)], check=True)
