"""Damaged memory costs a typed error and no more. `make fuzz` looks for new ones; here a fixed number is tried."""

import subprocess
import sys

import pytest

from tests.paths import ROOT

EXAMPLES = 75


@pytest.mark.parametrize(
    ("module", "what", "examples"),
    [
        ("run_memory", "damaged processes", EXAMPLES),
        ("run_timers", "damaged timers", EXAMPLES),
        ("run_contexts", "damaged contexts", EXAMPLES // 3),
        ("run_http", "damaged connections", EXAMPLES // 3),
    ],
)
def test_no_damaged_process_of_a_fixed_series_does_more_than_be_refused(module: str, what: str, examples: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.fuzz.{module}", "--examples", str(examples)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{what}, 0 not survived" in done.stdout
