"""What tests/conftest.py does to a run of tests."""

import os
import re
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


TESTS = """
import time, pytest
@pytest.mark.parametrize("number", range(4))
def test_slow(number): time.sleep(0.3)
def test_quick(): print("captured")
"""


def run(folder: Path, *arguments: str, every_seconds: float = 0.2) -> str:
    """What a run of a few tests says, as a log file gets it."""
    (folder / "test_few.py").write_text(TESTS)
    command = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", str(folder / "pytest.ini"), *arguments)
    (folder / "pytest.ini").touch()
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "GOSONDE_PROGRESS_SECONDS": str(every_seconds)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=folder).stdout


@pytest.mark.parametrize("flags", [(), ("-q",), ("-s", "-v")])
def test_a_run_says_at_its_start_how_many_tests_there_are_and_on_its_way_how_far_it_is(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    start, _, rest = run(tmp_path, *flags).partition("5 tests, about 5 seconds on ")
    assert "test_few.py" not in start
    shown = re.findall(r"^(\d+)%: (\d) of 5 tests, about \d+ (?:second|minute)s? left$", rest, re.MULTILINE)
    assert shown
    assert all(int(percent) == int(done) * 20 for percent, done in shown)


def test_the_next_run_knows_how_long_each_test_took_and_says_so(tmp_path: Path) -> None:
    assert "a guess for those that did not run here yet" in run(tmp_path, "-k", "quick")
    assert "1 test, about 1 second on " in (again := run(tmp_path, "-k", "quick"))
    assert "(as they last took here)" in again
    assert "a guess for those" in run(tmp_path)


def test_a_run_that_only_collects_says_how_long_it_would_take_and_runs_nothing(tmp_path: Path) -> None:
    said = run(tmp_path, "--collect-only")
    assert "5 tests, about 5 seconds on " in said
    assert "left" not in said


def test_a_run_without_a_cache_goes_on(tmp_path: Path) -> None:
    assert "5 tests, about 5 seconds on " in run(tmp_path, "-p", "no:cacheprovider")
