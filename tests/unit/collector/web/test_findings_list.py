"""Which findings the list shows, in which order, and how it shows what strangers say."""

import json
import re
from collections.abc import Callable

import pytest
from gosonde_collector.web.findings_list import harm

from tests.hostile_text import SENDABLE, unshown
from tests.unit.collector.web.conftest import Served, finding

Serving = Callable[..., Served]
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}'


def ids(page: Served, query: str) -> list[int]:
    document = json.loads(page.get(f"/findings?format=json&{query}").text)
    return [int(found["id"], 16) for found in document["findings"]]


def test_the_most_harmful_comes_first(serving: Serving) -> None:
    rests = finding(1, state="stable", growth_per_second=0.0, live=5_000)
    fast = finding(2, growth_per_second=50.0)
    unsure = finding(3, growth_per_second=60.0, confidence=0.3)
    over = finding(4, state="resolved", live=90_000)
    assert ids(serving(rests, fast, unsure, over), "state=all") == [2, 3, 1, 4]


def test_harm_is_what_it_rose_by_and_will_rise_by_in_an_hour_times_how_sure_it_is() -> None:
    assert harm(finding(live=110, base=10, growth_per_second=2.0, confidence=0.5)) == 0.5 * (100 + 7_200)


FILTERED: dict[str, list[int]] = {
    "": [1, 2], "state=open": [1, 2], "state=resolved": [3], "state=all": [1, 2, 3], "state=none": [1, 2],
    "host=db-1": [2], "service=pay": [2], "service=p": [], "text=OTHER": [2], "text=select": [1],
    "host=db-1&text=select": [],
}  # fmt: skip


def test_filters_stand_in_the_address(serving: Serving) -> None:
    other = finding().site.__class__("build", 2, "main.Other", "other.go", 1, "f")
    page = serving(
        finding(1, live=300),
        finding(2, host="db-1", exe="/srv/pay", site=other, cause="sleep"),
        finding(3, state="resolved"),
    )
    for query, shown in FILTERED.items():
        assert ids(page, query) == shown, query
        text = page.get(f"/findings?{query}").text
        assert [number for number in (1, 2, 3) if f"/findings/{number:016x}" in text] == shown, query


@pytest.mark.parametrize("path", ["/findings?state=all", "/findings/0000000000000001"])
def test_what_strangers_say_is_text_alone(serving: Serving, path: str) -> None:
    text = MARKUP + SENDABLE
    found = finding(
        host=text, exe=f"/srv/{text}", cause=text, remedy=text, pattern=text, waits_in=text, cause_reason=text,
        site=finding().site.__class__("build", 1, text, text, 1, text), states=((text, 9),),
        witnesses=(finding().witnesses[0].__class__(text, "agrees", text),),
        stacks=((9, (finding().stacks[0][1][0].__class__(text, text, 1),)),),
    )  # fmt: skip
    page = serving(found)
    answer = page.get(path)
    assert answer.status == 200
    assert answer.text.count("<script") == answer.text.count('<script src="/static/')
    assert "<img" not in answer.text
    assert "{{ 7 * 7 }}" in answer.text
    assert unshown(answer.text.replace("\n", "")) == []
    document = page.get(path + ("&" if "?" in path else "?") + "format=json").text
    assert unshown(document.replace("\n", "")) == []


def test_the_flame_graph_of_strangers_is_text_alone(serving: Serving) -> None:
    frame = finding().stacks[0][1][0].__class__(MARKUP + SENDABLE, "f", 1)
    text = serving(finding(stacks=((9, (frame,)),))).get("/findings/0000000000000001/flames.svg").text
    assert text.count("<script") == 1
    assert "<img" not in text


def test_a_flame_graph_of_other_stacks_has_another_address(serving: Serving) -> None:
    (count, frames), *_ = finding().stacks
    known = {number: finding(number, stacks=((count + number // 3, frames),)) for number in (1, 2, 3)}
    page = serving(*known.values())
    one, same, other = (
        re.findall(r'src="(/findings/[^"]*flames[^"]*)"', page.get(f"/findings/{found.id}").text)[0]
        for found in known.values()
    )
    assert one.partition("?")[2] == same.partition("?")[2] != other.partition("?")[2]
    assert page.get(other).status == 200


def test_a_finding_shows_its_evidence(serving: Serving) -> None:
    page = serving(finding())
    text = page.get("/findings/0000000000000001").text
    for shown in ("main.leak", "main.go:12", "Cancel it.", "100 created and 0 exited", "main.inner", "flames.svg"):
        assert shown in text
    document = json.loads(page.get("/findings/0000000000000001?format=json").text)
    assert document["finding"]["process"] == {"pid": 7, "exe": "/srv/shop"}
    assert document["stacks"][0]["frames"][0] == {"function": "main.inner", "file": "main.go", "line": 30}
