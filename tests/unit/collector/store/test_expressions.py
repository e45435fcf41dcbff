"""Expressions of strangers against names of strangers: they find what Go's find, and end."""

import pytest
from gosonde_collector.store import expressions
from gosonde_collector.store.expressions import MOST_EXPRESSION, MOST_NAME, Expression
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.goroutines import Location

from tests.hostile_text import SENDABLE

NAMES = [
    "main.serve",
    "net/http.(*conn).serve",
    "/src/main.go",
    "/go/src/net/http/server.go",
    "\udc80",
    SENDABLE,
    "x\n",
]


def matching(text: str) -> list[str]:
    expression = Expression("focus", text, NAMES)
    return [name for name in NAMES if expression.matches(Location(name, "", 0))]


def test_an_expression_matches_a_part_of_a_function_or_a_file() -> None:
    assert matching("serve$") == ["main.serve", "net/http.(*conn).serve"]
    assert matching(r"(?i)^MAIN\.") == ["main.serve"]
    assert matching(r"\.go") == ["/src/main.go", "/go/src/net/http/server.go"]
    found = Expression("hide", "server", NAMES)
    assert found.matches(Location("any", "/go/src/net/http/server.go", 3))
    assert not found.matches(Location("any", "/src/main.go", 3))


@pytest.mark.parametrize("text", ["(", "(?=a)", r"(a)\1", "a" * (MOST_EXPRESSION + 1), "((a{1000}){1000})", "\udc80"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="focus"):
        Expression("focus", text, [])


def test_an_expression_that_python_would_never_end_with_ends() -> None:
    name = "a" * MOST_NAME
    assert not Expression("focus", "(a+)+$b", [name]).matches(Location(name, "", 0))


def test_an_expression_that_takes_too_long_for_all_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "SECONDS", 0.0)
    with pytest.raises(InvalidInputError, match="simpler"):
        Expression("focus", "(a{1,100}){1,9}b", ["a" * MOST_NAME + str(number) for number in range(1_000)])


def test_long_names_are_looked_at_up_to_a_bound() -> None:
    name = "x" * MOST_NAME + "main"
    assert not Expression("focus", "main", [name]).matches(Location(name, "", 0))
    assert Expression("focus", "xx", [name]).matches(Location(name, "", 0))
