"""A list is printed once, or again until Ctrl-C; as JSON each time in one line."""

import json
import time
from collections.abc import Iterator

import pytest
from gosonde_cli.tables.asked import Asked
from gosonde_cli.tables.columns import Column
from gosonde_cli.tables.showing import Filters, show
from gosonde_cli.tables.table import Row, Table


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Counts how often was read; Ctrl-C comes after the third time."""
    counted: list[int] = []

    def sleep(_seconds: float) -> None:
        if len(counted) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", sleep)
        yield counted


def reading(counted: list[int]) -> Table:
    counted.append(len(counted))
    rows = [Row((number, f"main.f{number}"), {"n": number}) for number in (1, 2, len(counted) + 10)]
    return Table((Column("LIVE"), Column("FUNCTION")), rows, "nothing")


def test_json_that_is_watched_has_a_line_for_each_reading(
    readings: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    show(lambda: reading(readings), Asked(json=True, watch=True, sort="live", limit=1))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        [{"n": 11}],
        [{"n": 12}],
        [{"n": 13}],
    ]


def test_a_table_that_is_watched_is_read_until_it_is_interrupted(
    readings: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    show(lambda: reading(readings), Asked(watch=True))
    assert len(readings) == 3
    assert "main.f13" in capsys.readouterr().out


def test_without_watching_there_is_one_document_with_the_rows_that_are_asked_for(
    readings: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    show(lambda: reading(readings), Asked(json=True), Filters(function="f2"))
    assert json.loads(capsys.readouterr().out) == [{"n": 2}]
    assert len(readings) == 1
