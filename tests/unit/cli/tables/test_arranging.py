"""Rows are filtered, sorted and counted alike in every table."""

import pytest
from gosonde_cli.rendering import About, duration_figure
from gosonde_cli.tables.arranging import arranged, is_executable
from gosonde_cli.tables.columns import Column
from gosonde_cli.tables.table import Row, Table
from gosonde_common.errors import UsageError

TABLE = Table(
    (Column("LIVE"), Column("FUNCTION"), Column("LEVEL"), Column("WAIT TIME")),
    [
        Row((5, "main.b", "full", duration_figure(2_000_000_000)), "b"),
        Row((About(70), "main.a", "off", duration_figure(90_000_000_000)), "a"),
        Row((6, "shop.c", "full", duration_figure(3_000_000)), "c"),
    ],
    "nothing",
)


def order(table: Table) -> list[str]:
    return [row.document for row in table.rows]


@pytest.mark.parametrize(
    ("sort", "expected"), [("", "bac"), ("live", "acb"), ("function", "abc"), ("wait-time", "abc")]
)
def test_numbers_are_sorted_as_numbers_and_names_by_the_alphabet(sort: str, expected: str) -> None:
    assert order(arranged(TABLE, sort=sort, limit=0)) == list(expected)


def test_a_column_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"--sort age: there is no such column; .* live, function, level, wait-time"):
        arranged(TABLE, sort="age", limit=0)


def test_a_limit_counts_what_it_leaves_out_after_filters_and_order() -> None:
    found = arranged(TABLE, sort="live", limit=1, function="main.")
    assert (order(found), found.left_out) == (["a"], 1)


def test_states_are_whatever_the_table_calls_so() -> None:
    assert order(arranged(TABLE, sort="", limit=0, state="full")) == ["b", "c"]


@pytest.mark.parametrize(("wanted", "is_it"), [("orders", True), ("/srv/*", True), ("ord*", True), ("srv", False)])
def test_an_executable_is_named_by_its_path_or_its_last_name(wanted: str, is_it: bool) -> None:
    assert is_executable("/srv/bin/orders", wanted) == is_it
