"""What a run of tests says of how long it takes."""

import json

import pytest

from tests import progress, progress_speaker
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 second"),
        (4.4, "4 seconds"),
        (33, "35 seconds"),
        (89, "90 seconds"),
        (91, "2 minutes"),
        (955, "16 minutes"),
    ],
)
def test_a_duration_is_no_more_exact_than_a_guess(seconds: float, text: str) -> None:
    assert progress_speaker.duration(seconds) == text


def test_a_test_takes_what_it_last_took_or_what_its_nearest_folder_takes() -> None:
    table = {"tests/a": 2.0, "tests/a/b": 3.0}
    assert progress.expected("tests/a/b/c/test_x.py::test_y", {}, table) == 3.0
    assert progress.expected("tests/a/test_x.py::test_y", {}, table) == 2.0
    assert progress.expected("tests/a/test_x.py::test_y", {"tests/a/test_x.py::test_y": 0.5}, table) == 0.5


def test_what_is_left_is_told_at_the_pace_that_this_run_has_had() -> None:
    assert progress.time_left(expected_done=100, expected_left=50, spent=200) == 100
    assert progress.time_left(expected_done=0.1, expected_left=50, spent=1) == 50


def test_the_table_of_seconds_knows_the_folders_that_there_are() -> None:
    """A folder that was moved away would leave its tests with the guess of another."""
    assert [folder for folder in json.loads(progress.TABLE.read_text()) if not (ROOT / folder).is_dir()] == []


def test_tests_that_run_side_by_side_take_less_time() -> None:
    tests = [f"tests/a/test_x.py::test_{number}" for number in range(40)]
    kept = dict.fromkeys(tests, 1.0)
    assert "about 40 seconds" in progress.headline(tests, kept, {}, 1)
    assert "about 20 seconds" in progress.headline(tests, kept, {}, 2)
