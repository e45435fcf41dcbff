"""Of a program whose stacks were not all read, counts by header are exact, and counts by stack have bounds."""

import json
from collections.abc import Sequence

import pytest
from gosonde_cli.expressions import Expression
from gosonde_cli.goroutine_groups import Groups, groups_of
from gosonde_cli.goroutine_json import document
from gosonde_cli.goroutine_rows import Shown, print_rows
from gosonde_cli.goroutine_text import grouped, one_by_one
from gosonde_cli.stack_view import View
from gosonde_common.flames.placing import By
from gosonde_common.values.estimates import Estimate, estimate
from gosonde_common.values.goroutines import GoroutineColumns

from tests.unit.cli.goroutine_columns import HERE, THERE, columns, kind

UNREAD = kind(active=False, unread=True)
SELECTING = kind(active=False, unread=True, wait_reason="select")


def some() -> Sequence[GoroutineColumns]:
    """600 that receive, of which 40 in HERE and 20 in THERE were read; 30 that select, of which none was."""
    read = [kind(HERE)] * 40 + [kind(THERE)] * 20
    return [columns(*read), columns(*[UNREAD] * 540), columns(*[SELECTING] * 30, kind(HERE, system=True))]


def lines(view: View) -> tuple[Groups, list[str]]:
    groups = groups_of(view.of(some()))
    return groups, list(grouped(groups, groups.rows()))


def test_groups_are_scaled_to_all_goroutines_of_their_state_and_statement() -> None:
    groups, text = lines(View())
    assert [row.found for row in groups.rows()] == [
        estimate(600, 60, 40),
        estimate(600, 60, 20),
        Estimate(30, 30, 30),
    ]
    assert text[0] == "goroutine profile: total 630, and 1 of the runtime's own"
    assert text[1].startswith("# the stacks of 60 of 630 goroutines were read")
    first = estimate(600, 60, 40)
    assert f"400 @ chan receive ({first.least} to {first.most})" in text
    assert "#\tno stack: none of these was read" in text


def test_counts_by_header_are_exact_and_say_nothing_of_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    groups, _ = lines(View())
    assert [row.found for row in groups.rows(By.STATE)] == [Estimate(600, 600, 600), Estimate(30, 30, 30)]
    assert [row.found for row in groups.rows(By.SITE)] == [Estimate(630, 630, 630)]
    print_rows(groups, Shown(By.SITE, "goroutines", 0, wide=True))
    assert "AT LEAST" not in capsys.readouterr().out


def test_an_expression_that_chooses_by_calls_makes_every_count_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    groups, text = lines(View(focus=Expression("--focus", r"main\.wait")))
    here = estimate(600, 60, 40)
    assert [row.found for row in groups.rows()] == [here]
    assert groups.total == here + Estimate(0, 0, 30)
    assert text[0].startswith(f"goroutine profile: total 400 ({here.least} to {here.most + 30})")
    print_rows(groups, Shown(By.STATE, "goroutines", 0, wide=True))
    table = capsys.readouterr().out
    assert table.splitlines()[1].split()[:3] == ["400", str(here.least), str(here.most)]
    assert "stacks of 60 of 630 goroutines were read" in table


def test_states_choose_from_all_headers() -> None:
    groups, _ = lines(View(state="select"))
    assert groups.total == Estimate(30, 30, 30)


def test_each_goroutine_says_whether_its_stack_was_read() -> None:
    rows = json.loads("".join(document(View(runtime=True).of(some()))))
    assert [row["unread"] for row in rows].count(True) == 570
    assert not any(row["active"] or row["stack"] for row in rows if row["unread"])
    assert "".join(one_by_one(View().of(some()))).count("\tstack not read\n") == 570


def test_what_was_read_whole_has_no_bounds_and_no_note() -> None:
    found = groups_of(View().of([columns(kind(HERE), kind(THERE))]))
    assert not any("(" in line or "stacks" in line for line in grouped(found, found.rows()))
