"""What people read is short and cannot be spoofed; what programs read is one document."""

import json

import pytest
from gosonde.collector_client import ParkRow, ProcessName
from gosonde_cli import rendering


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_500, "1.5 µs"),
        (999_600, "1 ms"),
        (1_250_000, "1.25 ms"),
        (2_500_000_000, "2.5 s"),
        (200_000_000_000, "3 min 20 s"),
        (7_260_000_000_000, "2 h 1 min"),
        (187_200_000_000_000, "2 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(nanoseconds: int, text: str) -> None:
    assert rendering.duration(nanoseconds) == text


def test_moments_are_utc_to_the_second() -> None:
    assert rendering.moment(1_700_000_000_999_999_999) == "2023-11-14 22:13:20 UTC"
    assert rendering.moment(0) == "-"


def test_control_characters_from_outside_are_made_visible() -> None:
    assert rendering.cell("main.f\x1b[31m\n") == "main.f\\x1b[31m\\x0a"


def test_json_is_one_document_with_the_fields_of_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    rendering.print_json([ParkRow("h", ProcessName(1, "/x"), "select", 5, 3, None, 2, 7, 8)])
    assert json.loads(capsys.readouterr().out) == [
        {
            "host": "h",
            "process": {"pid": 1, "exe": "/x"},
            "wait_reason": "select",
            "parks": 5,
            "parks_low": 3,
            "parks_high": None,
            "windows": 2,
            "sampled_ns": 7,
            "covered_ns": 8,
        }
    ]
