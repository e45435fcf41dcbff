"""Damaged binaries cost a typed error and no more. `make fuzz` looks for new ones; here a fixed number is tried."""

import subprocess
import sys

from tests.paths import ROOT

EXAMPLES = 50


def test_no_damaged_binary_of_a_fixed_series_does_more_than_be_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", "--examples", str(EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "damaged binaries, 0 not survived" in done.stdout
