"""The flame graph of what changed: red is more, blue is fewer, and numbers with a sign say the same."""

from xml.etree import ElementTree as ET

import pytest
from gosonde_common.flames import tree as trees
from gosonde_common.flames.difference import difference
from gosonde_common.flames.svg import flame_graph_of_change
from gosonde_common.flames.tree import Stack, Tree

from tests.unit.common.flames.test_flame_graph import HOSTILE, SVG, calls, drawn, span


def stack(count: int, *names: str, state: str = "select") -> Stack:
    return Stack(calls(*names), count, state)


EARLIER = (stack(10, "main", "read"), stack(30, "main", "send"), stack(5, "main", "old"), stack(7, "idle"))
LATER = (stack(40, "main", "read"), stack(20, "main", "send"), stack(3, "main", "new"), stack(7, "idle"))


def changed() -> Tree:
    return difference("all", EARLIER, LATER)


def parsed(found: Tree) -> ET.Element:
    return ET.fromstring("".join(flame_graph_of_change(found, "it")))  # noqa: S314 - made here


def fill(call: ET.Element) -> str:
    rect = call.find(f"{SVG}rect")
    assert rect is not None
    return rect.attrib["fill"]


def test_each_call_says_how_many_there_were_and_are_with_the_sign_of_the_change() -> None:
    found = {call.attrib["data-name"]: call.findtext(f"{SVG}title") for call in drawn(parsed(changed()))}
    assert found == {
        "all": "all: 70 goroutines, 52 before (+18)",
        "main": "main: 63 goroutines, 45 before (+18)",
        "read": "read: 40 goroutines, 10 before (+30)",
        "send": "send: 20 goroutines, 30 before (-10)",
        "old": "old: 0 goroutines, 5 before (-5)",
        "new": "new: 3 goroutines, 0 before (+3)",
        "idle": "idle: 7 goroutines, 7 before (+0)",
    }
    texts = [call.findtext(f"{SVG}text") for call in drawn(parsed(changed()))]
    assert texts[:3] == ["+18 all", "+18 main", "+30 read"]


def test_red_is_more_blue_is_fewer_and_the_legend_says_so() -> None:
    picture = parsed(changed())
    colours = {call.attrib["data-name"]: fill(call) for call in drawn(picture)}
    assert len({colours[name] for name in ("new", "read", "idle", "send", "old")}) == 5
    red, blue = ([int(colours[name][at : at + 2], 16) for at in (1, 5)] for name in ("read", "send"))
    assert red[0] > red[1]
    assert blue[0] < blue[1]
    legend = [g.findtext(f"{SVG}text") for g in picture.iter(f"{SVG}g") if g.get("class") == "means"]
    assert set(legend) == {"all came", "more now", "as many", "fewer now", "all went"}


def test_no_call_is_narrower_than_what_it_calls_and_what_went_has_a_width() -> None:
    picture = drawn(parsed(changed()))
    widths = {call.attrib["data-name"]: int(call.attrib["data-width"]) for call in picture}
    assert widths == {"all": 85, "main": 78, "read": 40, "send": 30, "old": 5, "new": 3, "idle": 7}
    ends = {call.attrib["data-name"]: sum(span(call)) for call in picture}
    assert max(ends[name] for name in ("read", "send", "old", "new")) <= ends["main"] + 0.01


def test_who_is_in_the_same_call_in_another_state_has_not_changed() -> None:
    found = difference("all", [stack(5, "main")], [stack(2, "main"), stack(3, "main", state="runnable")])
    assert [(call.goroutines, call.before, call.width) for call, _, _ in found.root.placed()] == [(5, 5, 5)] * 2


def test_what_there_is_no_room_for_is_counted_also_where_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_CALLS", 1)
    assert difference("all", [stack(5, "main"), stack(2, "old")], []).cut == 2


def test_names_of_strangers_are_text_alone_in_what_changed() -> None:
    picture = parsed(difference(HOSTILE[0], [stack(5, *HOSTILE)], [stack(2, HOSTILE[1])]))
    assert len(list(picture.iter(f"{SVG}script"))) == 1
    names = [call.attrib["data-name"] for call in drawn(picture)]
    assert names[0] == HOSTILE[0]
    assert r"main.\x00\x1b[2J\u202e" in names


def test_nothing_against_nothing_is_a_picture_too() -> None:
    assert [call.get("data-change") for call in drawn(parsed(difference("all", [], [])))] == ["+0"]
