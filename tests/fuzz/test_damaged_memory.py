"""Damaged memory costs a typed error and no more. `make fuzz` looks for new ones; here a fixed number is tried."""

import subprocess
import sys

import pytest

from tests.paths import ROOT

EXAMPLES = 25


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("run_memory", "damaged processes"),
        ("run_timers", "damaged timers"),
        ("run_contexts", "damaged contexts"),
        ("run_http", "damaged connections"),
    ],
)
def test_no_damaged_process_of_a_fixed_series_does_more_than_be_refused(module: str, what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.fuzz.{module}", "--examples", str(EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{what}, 0 not survived" in done.stdout
