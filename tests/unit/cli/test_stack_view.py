"""Options say which goroutines and which calls are looked at, and no expression holds the command up for long."""

from typing import Any

import pytest
from gosonde_cli.expressions import MOST_EXPRESSION, Expression
from gosonde_cli.stack_view import View
from gosonde_common.errors import UsageError
from gosonde_common.values.goroutines import Location

from tests.unit.cli.goroutine_columns import HERE, THERE, columns, kind

PARK = Location("runtime.gopark", "/go/src/runtime/proc.go", 4)
SWEEP = Location("internal/runtime/maps.get", "/go/src/internal/runtime/maps.go", 4)
READ = Location("bufio.(*Reader).Read", "/go/src/bufio/bufio.go", 5)
KINDS = (
    kind(PARK, SWEEP, READ, HERE, THERE),
    kind(PARK, HERE, wait_reason="select"),
    kind(THERE, wait_reason="", status="runnable"),
)
WAITS = (5, 9, None)


def looked(**options: Any) -> list[tuple[int, list[str]]]:
    """(goroutine, functions) of what is looked at."""
    patterns: dict[str, Any] = {
        name: Expression(f"--{name}", options[name]) for name in ("focus", "ignore", "hide") if name in options
    }
    (found,) = View(**(options | patterns)).of([columns(*KINDS, waits=WAITS)])
    assert len(found.kinds) == len(found.waits_ns) == len(found.parent_goids) == len(found.thread_ids)
    assert len(found.kinds) == len(found.locked)
    return [(goid, [call.function for call in kind.stack]) for goid, kind in zip(found.goids, found.kinds, strict=True)]


def goids(**options: Any) -> list[int]:
    return [goid for goid, _ in looked(**options)]


def test_calls_of_the_runtime_are_hidden_unless_they_are_asked_for() -> None:
    read, wait, main = READ.function, HERE.function, THERE.function
    assert looked() == [(10, [read, wait, main]), (11, [wait]), (12, [main])]
    assert looked(runtime=True)[0] == (10, [PARK.function, SWEEP.function, read, wait, main])


def test_a_stack_of_the_runtime_alone_is_shown() -> None:
    (found,) = View().of([columns(kind(PARK))])
    assert found.kinds[0].stack == (PARK,)


def test_expressions_choose_goroutines_by_functions_and_files() -> None:
    assert goids(focus=r"bufio\.") == [10]
    assert goids(focus="runtime/proc.go$") == [10, 11]
    assert goids(ignore=r"^main\.wait$") == [12]
    assert goids(focus="wait", ignore="bufio") == [11]


def test_hidden_calls_are_left_out_and_depth_counts_from_the_innermost() -> None:
    assert looked(hide="main")[0] == (10, [READ.function])
    assert looked(max_depth=1) == [(10, [READ.function]), (11, [HERE.function]), (12, [THERE.function])]


def test_states_and_waits_choose_goroutines() -> None:
    assert goids(state="chan") == [10]
    assert goids(state="runnable") == [12]
    assert goids(min_wait_ns=6) == [11]
    assert goids(min_wait_ns=1) == [10, 11]


def test_goroutines_that_shared_a_kind_share_one_still() -> None:
    shared = kind(PARK, HERE)
    (found,) = View().of([columns(shared, shared)])
    assert found.kinds[0] is found.kinds[1]


@pytest.mark.parametrize("text", ["(", "a" * (MOST_EXPRESSION + 1), "a{99999999999999999999}"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--focus"):
        Expression("--focus", text)


def test_an_expression_that_would_not_end_is_stopped() -> None:
    expression = Expression("--hide", "(a+)+$")
    with pytest.raises(UsageError, match="more than a second"):
        expression.matches(Location("a" * 60 + "b", "", 0))
    assert expression.matches(Location("aa", "", 0))
