"""A damaged dump costs a typed error and no more. `make fuzz` looks for new ones; here a fixed number is tried."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = 150


def test_no_damaged_dump_of_a_fixed_series_does_more_than_be_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run_dumps", "--examples", str(EXAMPLES)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "damaged dumps, 0 not survived" in done.stdout
