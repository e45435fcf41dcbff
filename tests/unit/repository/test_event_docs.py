"""docs/events.md names every event that services log at info or above, and no other: operators search for them."""

import ast
import re
from collections.abc import Iterator

from tests.paths import ROOT

#: The level of each method of a logger.
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}


def logged() -> Iterator[tuple[str, str]]:
    """(event, level) of every call of a logger."""
    for room in ("agent", "collector", "common", "client", "cli"):
        for path in sorted((ROOT / room).rglob("*.py")):
            text = path.read_text()
            if "structlog.get_logger" in text or "helper_log" in path.name + text:
                yield from events_of(ast.parse(text))


def events_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for call in ast.walk(tree):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log" | "agent"), attr=method),
                args=[ast.Constant(value=str(event)), *_],
            ) if method in LEVELS:
                yield event, LEVELS[method]
            case ast.Call(
                func=ast.Attribute(attr="write") | ast.Name(id="write"),
                args=[ast.Constant(value=str(event)), ast.Constant(value=str(level)), *_],
            ):
                yield event, level


def documented() -> list[tuple[str, str]]:
    return re.findall(r"^\| `([^`]+)` \| (\w+) \|", (ROOT / "docs" / "events.md").read_text(), re.MULTILINE)


def test_every_event_at_info_or_above_is_documented_with_its_level_and_no_other() -> None:
    assert set(documented()) == set(logged())


def test_no_event_is_documented_twice() -> None:
    assert len(documented()) == len(set(documented()))


def test_no_event_has_a_value_in_its_name() -> None:
    for room in ("agent", "collector", "common"):
        for path in (ROOT / room).rglob("*.py"):
            assert not re.search(r"\blog\.(info|warning|error|exception)\(\s*f[\"']", path.read_text()), path
