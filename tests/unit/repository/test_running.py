"""What tests/conftest.py does to a run of tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("1", 1), ("", 0), ("false", 0)])
def test_a_skipped_ebpf_test_is_a_failure_in_ci_alone(tmp_path: Path, ci: str, code: int) -> None:
    (tmp_path / "test_skipped.py").write_text(
        "import pytest\n"
        "@pytest.fixture\ndef ebpf(): pytest.skip('no')\n"
        "def test_probes(ebpf): pass\n"
        "def test_else(): pytest.skip('whatever')\n"
    )
    command = (sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c", "/dev/null", str(tmp_path))
    environment = dict(os.environ) | {"CI": ci, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code, done.stdout
