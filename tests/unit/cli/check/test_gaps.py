"""What was not seen is no all-clear."""

from typing import Any

import pytest
from gosonde_cli.check.gaps import gaps
from gosonde_cli.suspects.reading import Reading


def document(*, is_counted: bool = True, became: str = "", left: str = "", **lost: int) -> dict[str, Any]:
    process = {"counted_from_start": is_counted, "precise": True, "became": became}
    return {"process": process, "source_left": left, "lost": {"sites_full": 0, "pauses_unmeasured": 0} | lost}


def reading(looks: int = 0) -> Reading:
    found = Reading()
    found.looks = looks
    return found


def found(seen: dict[str, Any], looks: int = 0) -> str:
    return "; ".join(gaps(seen, reading(looks)))


def test_a_process_that_was_counted_from_its_start_has_no_gaps() -> None:
    assert found(document()) == ""


@pytest.mark.parametrize("looks", [0, 1])
def test_a_process_that_was_not_counted_from_its_start_must_be_read_twice(looks: int) -> None:
    assert "nothing is known of leaks" in found(document(is_counted=False), looks)
    assert found(document(is_counted=False), 2) == ""


def test_a_command_that_became_another_program_was_not_watched() -> None:
    assert "by exec it became /srv/shop" in found(document(became="/srv/shop"))


def test_what_was_lost_of_counts_is_a_gap_and_what_was_lost_of_pauses_is_not() -> None:
    assert "gopc_unreadable: 3" in found(document(gopc_unreadable=3))
    assert found(document(pauses_unmeasured=1)) == ""


def test_a_source_that_stopped_early_is_a_gap() -> None:
    assert "too many threads" in found(document(left="too many threads"))
