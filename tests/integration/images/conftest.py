"""The images, built once for all tests of the folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the images, for all architectures."""
    folder = tmp_path_factory.mktemp("images")
    subprocess.run((sys.executable, "-m", "scripts.images", folder), check=True, cwd=ROOT)
    return folder
