"""gosonde's images for a node of this host's kind."""

import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT


def built(folder: Path) -> list[Path]:
    """The archives of agent and collector, which `make image` builds in the same way."""
    command = (sys.executable, "-m", "scripts.images", folder, "amd64")
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
    return sorted(folder.glob("*.oci.tar"))
