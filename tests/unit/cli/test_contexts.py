"""`gosonde contexts` shows groups of contexts, and says what it does not know of them."""

from dataclasses import replace
from typing import Any

import pytest
from gosonde_agent.sources.memory.contexts.values import (
    Cancel,
    ContextGroup,
    ContextKind,
    ContextNode,
    ContextTree,
    LiveContexts,
    MadeIn,
)
from gosonde_cli.commands.contexts import AskedOfContexts, gaps, table
from gosonde_cli.context_tree import gaps as tree_gaps
from gosonde_cli.context_tree import lines
from gosonde_cli.rendering import cell
from gosonde_common.errors import UsageError

MADE = (MadeIn("main.limit", "/m.go", 7, 3), MadeIn("main.limit", "/m.go", 9, 2), MadeIn("main.other", "/m.go", 1, 1))
LOST = ContextGroup(
    ContextKind.DEADLINE, Cancel.FORGOTTEN, ("cancel", "background"), "", "", MADE, 1_200, 0, 0, 3_600_000_000_000
)
KEPT = ContextGroup(ContextKind.CANCEL, Cancel.HELD, ("background",), "main.wait", "main.serve", (), 3, 1_200, 3, None)


def test_a_row_has_what_is_known_and_dashes_for_the_rest() -> None:
    found = table(LiveContexts([LOST, KEPT]))
    assert [[cell(value) for value in row.cells] for row in found.rows] == [
        ["1,200", "forgotten", "deadline", "main.limit +1", "-", "cancel, background", "1 h 0 min", "0", "0"],
        ["3", "held", "cancel", "-", "main.wait", "background", "-", "3", "1,200"],
    ]
    assert found.notes == ["1,203 live contexts in all"]


def test_two_readings_have_a_column_for_what_grew() -> None:
    found = table(LiveContexts([replace(LOST, grown=40), replace(KEPT, grown=-1)]))
    assert [column.title for column in found.columns][:3] == ["LIVE", "GREW", "CANCEL"]
    assert [row.cells[1] for row in found.rows] == [40, -1]
    assert all(len(row.cells) == len(found.columns) for row in found.rows)


def test_a_function_is_looked_for_among_those_that_make_contexts_wait_and_were_started() -> None:
    found = LiveContexts([LOST, KEPT])
    for function, live in (("other", 1_200), ("main.wait", 3), ("serve", 3)):
        assert [row.document["live"] for row in table(found, function).rows] == [live]
    assert table(found, "nobody").empty == "No such context is live."


def test_none_is_told_from_a_program_that_can_have_none() -> None:
    assert table(LiveContexts(())).empty == "No context is live."
    assert table(LiveContexts((), has_package=False)).empty == "The program does not use package context."


def test_what_is_not_counted_is_said() -> None:
    assert list(gaps(LiveContexts((), changing=1, unnamed=2))) == [
        "not counted: 1 context made or ended while being read",
        "not counted: 2 contexts that only a CancelFunc leads to",
    ]
    assert list(gaps(LiveContexts(()))) == []


def test_a_tree_has_a_line_for_each_context_below_the_one_that_it_was_made_from() -> None:
    child = ContextNode("deadline", True, Cancel.FORGOTTEN, "main.work", 2, 5_000_000_000)
    root = ContextNode("background", children=[ContextNode("value \x1b", children=[child])])
    tree = ContextTree(6, [root], left_out=1, changing=2)
    assert lines(tree) == [
        "  background",
        r"    value \x1b",
        "*     deadline, forgotten, ends in 5 s, 2 goroutines wait in main.work",
        "* goroutine 6 has it on its stack, or waits for its Done",
    ]
    assert list(tree_gaps(tree)) == [
        "left out: 1 further context made from these",
        "not shown: 2 contexts of the process, made or ended while being read",
    ]
    assert lines(ContextTree(6, ())) == ["Goroutine 6 has no context on its stack, and waits for none."]


@pytest.mark.parametrize("given", [{"over": "1s"}, {"function": "f"}, {"sort": "live"}, {"limit": 1}, {"watch": True}])
def test_a_tree_takes_no_option_that_would_do_nothing(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--goroutine shows one tree"):
        AskedOfContexts(goroutine=6, **given)


def test_two_readings_are_not_repeated() -> None:
    assert AskedOfContexts(over="1.5m").seconds == 90
    with pytest.raises(UsageError, match="--over reads twice"):
        AskedOfContexts(over="10s", watch=True)
    with pytest.raises(UsageError, match="--over 'soon' is no duration"):
        AskedOfContexts(over="soon")
