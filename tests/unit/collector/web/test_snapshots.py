"""The pages of snapshots: what there is, what one shows, what changed, and that no filter is ignored."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from gosonde_collector.evidence.context import HeapProfile, HeapSample
from gosonde_collector.evidence.model import LEAK, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import ProcessKey
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.web import process_rows, snapshot_view

from tests.hostile_text import SENDABLE, unshown
from tests.paths import ROOT
from tests.unit.collector.batches import KEY, SECOND, START, STREAM, batch, process
from tests.unit.collector.web.conftest import Served
from tests.unit.collector.web.test_findings_list import MARKUP
from tests.unit.repository.test_docs import code_words, keys_of

Serving = Callable[..., Served]
SVG = "{http://www.w3.org/2000/svg}"
PATH, _, QUERY = process_rows.address("web-1", KEY).partition("?")
ADDRESS = f"{PATH}/snapshots?{QUERY}"
FLAMES = f"{PATH}/flames.svg?{QUERY}"
SEND, READ = Frame("main.send", "/src/main.go", 9), Frame("main.read", "/src/io.go", 19)
PARK = Frame("runtime.gopark", "/go/src/runtime/proc.go", 400)
ASK = Frame("main.ask", "/src/main.go", 3)


def senders(goids: Sequence[int], wait_s: int = 60) -> GoroutineGroup:
    return GoroutineGroup(len(goids), (PARK, SEND), ASK, "chan send", wait_s, tuple(goids))


def memory(*groups: GoroutineGroup) -> GoroutineProfile:
    return GoroutineProfile("memory", groups)


READERS = GoroutineGroup(2, (READ,), Frame("main.serve", "/src/io.go", 5), "IO wait", 0, (90, 91))
EARLIER = memory(senders(range(10)), READERS)
LATER = memory(senders(range(5, 40)), READERS)
COUNTS = GoroutineProfile("debug=1", (GoroutineGroup(50, (SEND,)),))


@pytest.fixture
def kept(store: DuckDBStore) -> Callable[..., str]:
    """`kept(profile, after=0)` keeps a snapshot that was taken so many seconds after the process's start."""

    def keep(profile: Any, after: int = 0, key: ProcessKey = KEY, host: str = "web-1") -> str:
        return store.add_snapshot(host, key, START + after * SECOND, profile)

    return keep


Kept = Callable[..., str]


def drawn(picture: str) -> list[dict[str, str]]:
    """What each call of a flame graph says of itself, and its colour."""
    calls = ET.fromstring(picture).iterfind(f".//{SVG}g[@class='call']")  # noqa: S314 - made here
    found = []
    for call in calls:
        rect = call.find(f"{SVG}rect")
        assert rect is not None
        said = {key.removeprefix("data-"): value for key, value in call.attrib.items() if key.startswith("data-")}
        found.append({**said, "fill": rect.attrib["fill"]})
    return found


def asked(page: Served, address: str = ADDRESS) -> Any:
    return json.loads(page.get(f"{address}&format=json").text)


def test_all_snapshots_of_a_process_are_listed_and_no_others(serving: Serving, kept: Kept) -> None:
    older, leaks, heap = kept(EARLIER), kept(GoroutineProfile("proto", (), kind=LEAK), 5), kept(
        HeapProfile((HeapSample((), 1, 2, 3, 4),)), 3
    )  # fmt: skip
    kept(LATER, 9, replace(KEY, exec_epoch=7))
    page = serving(batches=[batch(1)])
    known = asked(page)
    assert [(one["id"], one["kind"], one["goroutines"]) for one in known["snapshots"]] == [
        (leaks, "goroutineleak", 0), (heap, "heap", None), (older, "goroutine", 12),
    ]  # fmt: skip
    assert (known["snapshots_left_out"], known["proof"]) == (0, None)
    text = page.get(ADDRESS).text
    assert f"id={older}" in text
    assert f"id={heap}" not in text
    assert "pprof heap" in text


def test_the_page_of_a_process_has_the_newest_and_leads_to_all(serving: Serving, kept: Kept) -> None:
    ids = [kept(EARLIER, number) for number in range(8)]
    text = serving(batches=[batch(1)]).get(process_rows.address("web-1", KEY)).text
    assert [number for number, one in enumerate(ids) if f'id={one}"' in text] == [3, 4, 5, 6, 7]
    assert "3 older ones are not shown" in text
    assert ADDRESS.replace("&", "&amp;") in text


def test_without_a_snapshot_the_page_says_how_to_take_one(serving: Serving) -> None:
    page = serving(batches=[batch(1)])
    for address in (ADDRESS, process_rows.address("web-1", KEY)):
        assert f"gosonde snapshot {KEY.pid}" in page.get(address).text


def test_a_snapshot_shows_its_groups_the_largest_first(serving: Serving, kept: Kept) -> None:
    address = f"{ADDRESS}&id={kept(LATER)}"
    page = serving(batches=[batch(1)])
    known = asked(page, address)
    assert (known["goroutines"], known["groups_left_out"], known["notes"]) == (37, 0, [])
    first, second = known["groups"]
    assert (first["goroutines"], first["state"], first["longest_wait_ns"]) == (35, "chan send", 60 * SECOND)
    assert first["stack"] == [{"function": "main.send", "file": "/src/main.go", "line": 9}]
    assert first["created_by"]["function"] == "main.ask"
    assert second["longest_wait_ns"] is None
    text = page.get(address).text
    assert text.index("main.send") < text.index("main.read")


def test_two_snapshots_say_who_came_went_and_stayed(serving: Serving, kept: Kept) -> None:
    earlier, later = kept(EARLIER), kept(LATER, 90)
    page = serving(batches=[batch(1)])
    address = f"{ADDRESS}&from={earlier}&id={later}"
    known = asked(page, address)
    assert known["is_by_identity"]
    assert known["total"] == {
        "before": 12, "after": 37, "came": 30, "went": 5, "stayed": 7, "moved_here": 0, "moved_away": 0,
    }  # fmt: skip
    assert [(site["function"], site["came"]) for site in known["sites"]] == [("main.ask", 30), ("main.serve", 0)]
    assert [(stack["stack"][0]["function"], stack["went"]) for stack in known["stacks"]] == [
        ("main.send", 5), ("main.read", 0),
    ]  # fmt: skip
    text = page.get(address).text
    assert "What changed in 90 s" in text
    assert "known by its number" in text
    assert '<td data-is="Came" class="figure">30</td>' in text


def test_the_earlier_of_two_is_the_one_that_was_taken_first(serving: Serving, kept: Kept) -> None:
    earlier, later = kept(EARLIER), kept(LATER, 90)
    assert asked(serving(batches=[batch(1)]), f"{ADDRESS}&from={later}&id={earlier}")["total"]["came"] == 30


def test_of_counts_alone_the_page_says_so_and_names_no_statements(serving: Serving, kept: Kept) -> None:
    earlier, later = kept(COUNTS), kept(LATER, 90)
    page = serving(batches=[batch(1)])
    address = f"{ADDRESS}&from={earlier}&id={later}"
    known = asked(page, address)
    assert not known["is_by_identity"]
    assert known["sites"] is None
    assert "two formats (debug=1 and memory)" in known["notes"][0]
    text = page.get(address).text
    assert "By counts alone" in text
    assert "names no go statements" in text


def test_filters_are_those_of_the_command(serving: Serving, kept: Kept) -> None:
    address = f"{ADDRESS}&id={kept(LATER)}"
    page = serving(batches=[batch(1)])
    for query, goroutines in {
        "function=ask": 35, "state=IO": 2, "min_wait=30s": 35, "min_wait=2m": 0, "focus=io%5C.go": 2,
        "ignore=^main%5C.send$": 2, "hide=read": 37, "max_depth=1": 37, "runtime=1&focus=gopark": 35,
    }.items():  # fmt: skip
        assert asked(page, f"{address}&{query}")["goroutines"] == goroutines, query
        assert page.get(f"{address}&{query}").status == 200


def test_calls_of_the_runtime_are_hidden_unless_they_are_asked_for(serving: Serving, kept: Kept) -> None:
    address = f"{ADDRESS}&id={kept(LATER)}"
    page = serving(batches=[batch(1)])
    assert len(asked(page, address)["groups"][0]["stack"]) == 1
    assert len(asked(page, f"{address}&runtime=1")["groups"][0]["stack"]) == 2


def test_a_filter_that_cannot_be_answered_is_refused(serving: Serving, kept: Kept) -> None:
    address = f"{ADDRESS}&id={kept(LATER)}"
    page = serving(batches=[batch(1)])
    for name, values in {
        "label": ["request"], "by": ["label", "x"], "color": ["x"], "focus": ["("], "hide": ["(?=a)"],
        "min_wait": ["x", "0", "nan"], "max_depth": ["-1", "9" * 20], "function": ["x" * 257],
    }.items():  # fmt: skip
        for value in values:
            answer = page.get(f"{address}&{name}={value}&format=json")
            assert answer.status == 400, (name, value)
            assert json.loads(answer.text)["error"].startswith("label" if value == "label" else name)


def test_what_a_profile_does_not_say_cannot_be_filtered_by(serving: Serving, kept: Kept) -> None:
    counts, later = kept(COUNTS), kept(LATER, 9)
    page = serving(batches=[batch(1)])
    for query in ("function=ask", "state=select", "min_wait=1s", "by=site", "by=state", "color=age"):
        for ids in (f"id={counts}", f"id={later}&from={counts}"):
            answer = page.get(f"{ADDRESS}&{ids}&{query}&format=json")
            assert answer.status == 400
            assert "debug=1 names no states" in json.loads(answer.text)["error"]


def test_snapshots_of_others_and_such_as_show_no_goroutines_are_refused(serving: Serving, kept: Kept) -> None:
    own, heap = kept(LATER), kept(HeapProfile((HeapSample((), 1, 2, 3, 4),)))
    others = [kept(LATER, 1, replace(KEY, pid=9)), kept(LATER, 1, KEY, "web-2"), "none", ""]
    page = serving(batches=[batch(1)])
    for other in others:
        assert page.get(f"{ADDRESS}&id={other}").status == 404
        assert page.get(f"{ADDRESS}&id={other}&from={own}").status == 404
    for ids in (f"id={heap}", f"id={own}&from={heap}", f"id={own}&from={own}"):
        assert page.get(f"{ADDRESS}&{ids}").status == 400


def test_what_there_is_no_room_for_is_counted(serving: Serving, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_view, "MOST_ROWS", 3)
    deep = tuple(Frame("main.call" + "x" * 9_000, "", number) for number in range(20))
    groups = [
        GoroutineGroup(9 - number, deep, ASK, str(number), 0, tuple(range(100 * number, 100 * number + 9 - number)))
        for number in range(5)
    ]
    earlier, later = kept(memory(READERS)), kept(memory(*groups), 9)
    page = serving(batches=[batch(1)])
    known = asked(page, f"{ADDRESS}&id={later}")
    assert [len(one["stack"]) for one in known["groups"]] == [20, 20, 20]
    assert (known["groups_left_out"], known["goroutines"]) == (2, 9 + 8 + 7 + 6 + 5)
    assert len(known["groups"][0]["stack"][0]["function"]) == snapshot_view.MOST_NAME + 1
    both = asked(page, f"{ADDRESS}&id={later}&from={earlier}")
    assert (len(both["stacks"]), both["stacks_left_out"], both["sites_left_out"]) == (3, 3, 0)
    assert "2 smaller groups are not shown" in page.get(f"{ADDRESS}&id={later}").text


def test_calls_of_all_rows_together_are_bounded(serving: Serving, kept: Kept) -> None:
    deep = tuple(Frame("main.call", "", number) for number in range(1_000))
    groups = [GoroutineGroup(1, deep, ASK, str(number), 0, (number,)) for number in range(30)]
    address = f"{ADDRESS}&id={kept(memory(*groups))}"
    page = serving(batches=[batch(1)])
    known = asked(page, address)["groups"]
    assert sum(len(one["stack"]) for one in known) == snapshot_view.MOST_CALLS
    assert sum(one["calls_left_out"] for one in known) == 30 * 1_000 - snapshot_view.MOST_CALLS
    assert "no room here" in page.get(address).text


def test_names_of_strangers_are_text_alone_in_snapshots(serving: Serving, kept: Kept) -> None:
    text = MARKUP + SENDABLE
    host, key = f"a/b?{text}", ProcessKey(text, 7, 1, 0)
    frame = Frame(text, text, 3)
    group = GoroutineGroup(2, (frame, frame), frame, text, 9, (1, 2))
    one, other = (kept(memory(group), number, key, host) for number in range(2))
    page = serving(batches=[batch(1, stream=replace(STREAM, host=host), processes=[process(key, exe=f"/srv/{text}")])])
    path, _, query = process_rows.address(host, key).partition("?")
    for ids in ("", f"&id={one}", f"&id={one}&from={other}", f"&id={one}&function=%3Cscript%3E"):
        answer = page.get(f"{path}/snapshots?{query}{ids}")
        assert answer.status == 200
        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert unshown(answer.text.replace("\n", "")) == []
        assert unshown(page.get(f"{path}/snapshots?{query}{ids}&format=json").text.replace("\n", "")) == []
        if ids:
            picture = page.get(f"{path}/flames.svg?{query}{ids}").text
            assert [call["name"] for call in drawn(picture)] == ["all goroutines", *[drawn(picture)[1]["name"]] * 2]
            assert unshown("".join(call["name"] for call in drawn(picture))) == []


def test_a_snapshot_has_a_flame_graph_by_count_state_or_age_with_the_filters(serving: Serving, kept: Kept) -> None:
    ids = f"id={kept(LATER)}"
    page = serving(batches=[batch(1)])
    assert f"{FLAMES.replace('&', '&amp;')}&amp;{ids}" in page.get(f"{ADDRESS}&{ids}").text
    pictures = {color: page.get(f"{FLAMES}&{ids}&color={color}") for color in ("count", "state", "age")}
    for color, picture in pictures.items():
        assert picture.status == 200
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert "sha256-" in picture.headers["content-security-policy"]
        assert picture.headers["x-frame-options"] == "SAMEORIGIN"
        assert {call["name"]: call["goroutines"] for call in drawn(picture.text)} == {
            "all goroutines": "37", "main.send": "35", "main.read": "2",
        }, color  # fmt: skip
    fills = {tuple(call["fill"] for call in drawn(picture.text)) for picture in pictures.values()}
    assert len(fills) == 3
    assert page.get(f"{FLAMES}&{ids}").text == pictures["state"].text
    narrowed = drawn(page.get(f"{FLAMES}&{ids}&focus=send&runtime=1&by=site").text)
    assert [call["name"] for call in narrowed] == [
        "all goroutines", "go statement in main.ask /src/main.go:3", "main.send", "runtime.gopark",
    ]  # fmt: skip


def test_the_flame_graph_of_two_says_by_how_many_more_or_fewer(serving: Serving, kept: Kept) -> None:
    earlier, later = kept(EARLIER), kept(memory(senders(range(5, 40))), 9)
    page = serving(batches=[batch(1)])
    ids = f"from={earlier}&id={later}"
    assert f"{FLAMES.replace('&', '&amp;')}&amp;{ids.replace('&', '&amp;')}" in page.get(f"{ADDRESS}&{ids}").text
    picture = page.get(f"{FLAMES}&{ids}")
    assert {call["name"]: (call["change"], call["width"]) for call in drawn(picture.text)} == {
        "all goroutines": ("+23", "37"), "main.send": ("+25", "35"), "main.read": ("-2", "2"),
    }  # fmt: skip
    assert page.get(f"{FLAMES}&{ids}&color=age").status == 400
    assert page.get(f"{FLAMES}&id={earlier}&focus=(").status == 400


def test_a_profile_without_states_is_coloured_by_count(serving: Serving, kept: Kept) -> None:
    ids = f"id={kept(COUNTS)}"
    page = serving(batches=[batch(1)])
    assert "coloured by count" in page.get(f"{ADDRESS}&{ids}").text
    assert "main.send: 50 goroutines (100.0%)</title>" in page.get(f"{FLAMES}&{ids}").text
    assert page.get(f"{FLAMES}&{ids}&color=state").status == 400


def test_snapshots_want_a_session(serving: Serving, kept: Kept) -> None:
    own = kept(LATER)
    page = serving(tokens=True, batches=[batch(1)])
    assert page.get(ADDRESS).status == 303
    assert page.get(f"{ADDRESS}&id={own}&format=json").status == 401
    assert page.get(f"{FLAMES}&id={own}").status == 303


def test_every_key_of_snapshots_is_documented(serving: Serving, kept: Kept) -> None:
    earlier, later = kept(EARLIER), kept(LATER, 9)
    page = serving(batches=[batch(1)])
    for ids in ("", f"&id={later}", f"&id={later}&from={earlier}"):
        assert keys_of(asked(page, f"{ADDRESS}{ids}")) - code_words((ROOT / "docs" / "web.md").read_text()) == set()
