"""docs/collector.md gives the numbers that the code has."""

import re

from gosonde_collector.analysis.finding import (
    AGREEING,
    CONFIDENCE,
    DISAGREEING,
    NO_EXITS,
    STOPPED,
)
from gosonde_collector.analysis.growth import WINDOWS

from tests.paths import ROOT

TEXT = (ROOT / "docs" / "collector.md").read_text()


def test_the_confidence_of_each_window_is_documented() -> None:
    rows = re.findall(r"^\| ([\d,]+) s \| ([\d.]+) \|$", TEXT, re.MULTILINE)
    documented = {int(window.replace(",", "")): float(value) for window, value in rows}
    assert documented == CONFIDENCE
    assert set(documented) <= set(WINDOWS)
    assert min(documented) == min(WINDOWS)


def test_what_changes_the_confidence_is_documented() -> None:
    assert f"{NO_EXITS} is added" in TEXT
    assert AGREEING == 0.5
    assert "witness that agrees halves the doubt" in TEXT
    assert f"disagrees multiplies the confidence by {DISAGREEING}" in TEXT
    assert f"keeps {STOPPED} of" in TEXT
