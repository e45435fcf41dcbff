"""Goroutines are chosen and grouped by their labels; a key that nobody has is an error that names those there are."""

import pytest
from gosonde_cli.goroutine_groups import groups_of
from gosonde_cli.label_view import Wanted
from gosonde_cli.stack_view import View
from gosonde_common.errors import NotFoundError, UsageError
from gosonde_common.flames.placing import By
from gosonde_common.values.goroutines import MORE_LABELS, GoroutineColumns

from tests.unit.cli.goroutine_columns import HERE, THERE, columns, kind

WAITS = kind(HERE)
LABELS = (
    (("endpoint", "/a"), ("id", "1")),
    (("endpoint", "/a"), ("id", "2")),
    (("endpoint", "/b"), (MORE_LABELS, "3 more")),
    (),
)
FOUND = columns(WAITS, WAITS, WAITS, kind(THERE), labels=LABELS)


def goids(*wanted: str) -> list[int]:
    (found,) = View(labels=Wanted.of(wanted)).of([FOUND])
    assert list(found.labels) == [LABELS[goid - 10] for goid in found.goids]
    return list(found.goids)


def rows(key: str, found: GoroutineColumns = FOUND) -> list[tuple[str, int]]:
    groups = groups_of(View(by_label=key).of([found]))
    return [(row.kind.group, row.goroutines) for row in groups.rows(By.LABEL)]


def test_goroutines_are_chosen_by_a_value_by_a_key_and_by_several() -> None:
    assert goids("endpoint=/a") == [10, 11]
    assert goids("endpoint") == [10, 11, 12]
    assert goids("endpoint=/a", "id=2") == [11]
    assert goids("id=3") == []
    assert goids() == [10, 11, 12, 13]


def test_groups_are_by_the_value_of_a_label_or_by_all() -> None:
    assert rows("endpoint") == [("/a", 2), ("/b", 1), ("-", 1)]
    assert [said for said, _ in rows("")] == ["endpoint=/a id=1", "endpoint=/a id=2", "endpoint=/b …=3 more", "-"]


def test_a_key_that_no_goroutine_has_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"no goroutine has a label 'endpont'; there are labels endpoint, id$"):
        goids("endpont=/a")
    with pytest.raises(NotFoundError, match="no goroutine has a label 'user'; no goroutine has any label"):
        rows("user", columns(WAITS))


@pytest.mark.parametrize("text", ["", "=1"])
def test_a_label_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="KEY=VALUE"):
        Wanted.of([text])
