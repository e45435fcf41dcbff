"""With a label's goroutines go those that they have created, and theirs, however little their own labels say."""

from dataclasses import replace

import pytest
from gosonde_cli.goroutine_options import AskedOfGoroutines
from gosonde_cli.label_view import Wanted
from gosonde_cli.stack_view import View
from gosonde_common.errors import NotFoundError, UnsupportedError, UsageError
from gosonde_common.values.goroutines import GoroutineColumns

from tests.unit.cli.goroutine_columns import HERE, THERE, columns, kind

REQUEST = (("id", "1"),)


def found(*parents: int, labels: tuple[tuple[tuple[str, str], ...], ...]) -> list[GoroutineColumns]:
    """Goroutines from 10 on, each in a block of its own: a program is read in blocks."""
    whole = replace(
        columns(*[kind(HERE if number % 2 else THERE) for number in range(len(parents))], labels=labels),
        parent_goids=list(parents),
    )
    return [whole.kept([place == number for place in range(len(parents))]) for number in range(len(parents))]


def members(seen: list[GoroutineColumns], wanted: str = "id=1") -> list[int]:
    view = View(labels=Wanted.of([wanted]), follows_children=True)
    return [goid for block in view.of(seen) for goid in block.goids]


def test_children_and_theirs_belong_to_it_wherever_they_stand() -> None:
    seen = found(12, 1, 11, 1, 13, labels=((), REQUEST, (("id", "2"),), (), ()))
    assert members(seen) == [10, 11, 12]


def test_a_child_whose_creator_has_ended_is_not_found() -> None:
    assert members(found(1, 99, labels=(REQUEST, ()))) == [10]


def test_a_circle_in_what_was_read_ends() -> None:
    assert members(found(11, 10, 1, labels=(REQUEST, (), ()))) == [10, 11]


def test_a_key_that_nobody_has_is_an_error_as_without_children() -> None:
    with pytest.raises(NotFoundError, match="there are labels id"):
        members(found(1, 1, labels=(REQUEST, ())), "user=7")


def test_a_program_that_does_not_note_creators_is_refused_with_the_reason() -> None:
    with pytest.raises(UnsupportedError, match=r"Go 1\.21 or newer"):
        members(found(0, 0, labels=(REQUEST, ())))


def test_without_a_label_nobody_knows_whose_children_are_meant() -> None:
    with pytest.raises(UsageError, match="give --label KEY=VALUE, too"):
        _ = AskedOfGoroutines(follow_children=True).view
