"""A flame graph is one XML file that needs nothing else, and its calls are as wide as their goroutines are many."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from gosonde_common.flames import tree as trees
from gosonde_common.flames.colours import ColourBy
from gosonde_common.flames.svg import MARGIN, WIDTH, flame_graph
from gosonde_common.flames.tree import Stack, Tree
from gosonde_common.values.goroutines import Location

SVG = "{http://www.w3.org/2000/svg}"
MINUTE_NS = 60_000_000_000
HOSTILE = [
    '</title><script>alert(1)</script>"',
    "main.\x00\x1b[2J\u202e",
    "]]>&amp;'\ud800",
    "javascript:" + "x" * 10_000,
]


def calls(*names: str) -> list[Location]:
    return [Location(name, "/src/main.go", 1) for name in names]


def tree(*stacks: Stack) -> Tree:
    found = Tree("all")
    for stack in stacks:
        found.add(stack)
    return found


STACKS = (
    Stack(calls("main.main", "main.serve", "main.read"), 70, "IO wait", 6 * MINUTE_NS),
    Stack(calls("main.main", "main.serve"), 20, "select"),
    Stack(calls("main.work"), 10, "chan receive", 1),
)


def parsed(found: Tree, colour_by: ColourBy = ColourBy.STATE, title: str = "it") -> ET.Element:
    return ET.fromstring("".join(flame_graph(found, title, colour_by)))  # noqa: S314 - made here


def drawn(root: ET.Element) -> list[ET.Element]:
    return [g for g in root.iter(f"{SVG}g") if g.get("class") == "call"]


def span(call: ET.Element) -> tuple[float, float]:
    """(goroutines to its left, its goroutines), by what is drawn."""
    rect = call.find(f"{SVG}rect")
    assert rect is not None
    scale = 100 / (WIDTH - 2 * MARGIN)
    return (float(rect.attrib["x"]) - MARGIN) * scale, float(rect.attrib["width"]) * scale


def test_calls_are_as_wide_as_their_goroutines_are_many_and_stand_below_their_callers() -> None:
    found: dict[str, Any] = {
        call.attrib["data-name"]: (*span(call), call.get("data-depth")) for call in drawn(parsed(tree(*STACKS)))
    }
    assert found == {
        "all": (pytest.approx(0), pytest.approx(100), "0"),
        "main.main": (pytest.approx(0), pytest.approx(90), "1"),
        "main.serve": (pytest.approx(0), pytest.approx(90), "2"),
        "main.read": (pytest.approx(0), pytest.approx(70), "3"),
        "main.work": (pytest.approx(90, abs=1e-3), pytest.approx(10), "1"),
    }


def test_the_title_of_a_call_says_how_many_what_they_do_and_how_long() -> None:
    titles = [call.findtext(f"{SVG}title") for call in drawn(parsed(tree(*STACKS)))]
    assert titles[2] == "main.serve: 90 goroutines (90.0%): 70 IO wait, 20 select; longest wait 360 s"
    assert titles[4] == "main.work: 10 goroutines (10.0%): 10 chan receive; longest wait 0 s"


@pytest.mark.parametrize("colour_by", list(ColourBy))
def test_hostile_names_are_text_alone(colour_by: ColourBy) -> None:
    found = tree(Stack(calls(*HOSTILE), 5, HOSTILE[0], 1))
    root = parsed(found, colour_by, HOSTILE[0])
    allowed = {"svg", "title", "style", "rect", "text", "foreignObject", "g", "script"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} - {
        "{http://www.w3.org/1999/xhtml}input"
    } == allowed
    assert len(list(root.iter(f"{SVG}script"))) == 1
    names = [call.attrib["data-name"] for call in drawn(root)]
    assert names[1] == HOSTILE[0]
    assert names[2] == r"main.\x00\x1b[2J\u202e"
    assert max(map(len, names)) <= 300


def test_nothing_outside_of_the_file_is_needed() -> None:
    text = "".join(flame_graph(tree(*STACKS), "it", ColourBy.STATE))
    assert set(re.findall(r'https?://[^"\s]+', text)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    assert not re.search(r"href|src=|@import|url\(|innerHTML|eval\(|fetch\(", text)


def test_the_keyboard_reaches_every_call_from_the_first() -> None:
    assert [call.get("tabindex") for call in drawn(parsed(tree(*STACKS)))] == ["0", "-1", "-1", "-1", "-1"]


def colours(colour_by: ColourBy) -> dict[str, str]:
    found = {}
    for call in drawn(parsed(tree(*STACKS), colour_by)):
        rect = call.find(f"{SVG}rect")
        assert rect is not None
        found[call.attrib["data-name"]] = rect.attrib["fill"]
    return found


def test_colours_say_the_state_of_most_the_longest_wait_or_the_share() -> None:
    by_state, by_age, by_count = (colours(by) for by in (ColourBy.STATE, ColourBy.AGE, ColourBy.COUNT))
    assert by_state["main.serve"] == by_state["main.read"] != by_state["main.work"]
    assert by_age["main.serve"] == by_age["main.read"] != by_age["main.work"]
    assert by_count["main.main"] == by_count["all"] != by_count["main.work"]


def test_without_goroutines_there_is_a_picture_too() -> None:
    assert [call.get("data-goroutines") for call in drawn(parsed(tree()))] == ["0"]


def test_calls_that_there_is_no_room_for_count_for_those_above_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_CALLS", 3)
    found = tree(*STACKS)
    assert next((call.name, call.goroutines) for call, _, _ in found.root.placed()) == ("all", 100)
    assert len(list(found.root.placed())) == 4
    assert found.cut == 10
    assert "of 10 the innermost calls are left out" in "".join(flame_graph(found, "it", ColourBy.STATE))


def test_a_stack_that_is_too_deep_is_cut_at_its_inner_end() -> None:
    found = tree(Stack(calls(*map(str, range(trees.MOST_DEPTH + 1))), 2, "select"))
    assert max(depth for _, _, depth in found.root.placed()) == trees.MOST_DEPTH
    assert found.cut == 2
