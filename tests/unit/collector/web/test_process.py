"""The page of a process: its sites, findings, levels and cycles, and that what is not known is said to be so."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from gosonde_collector.model.values import Batch, ProcessKey, Step
from gosonde_collector.web import process_rows
from gosonde_collector.web.findings_list import MOST_ROWS
from gosonde_collector.web.process_page import SHOWN_AT_ONCE
from gosonde_common.values.containers import Container

from tests.hostile_text import SENDABLE, unshown
from tests.paths import ROOT
from tests.unit.collector.batches import KEY, SECOND, SITE, START, STREAM, batch, process
from tests.unit.collector.web.conftest import Served, finding
from tests.unit.collector.web.test_findings_list import MARKUP
from tests.unit.repository.test_docs import code_words, keys_of

Serving = Callable[..., Served]
ADDRESS = process_rows.address("web-1", KEY)
OTHER = replace(SITE, pc=0x2000, function="main.other", line=7)


def seen() -> list[Batch]:
    """A minute of a process with two sites, a change of level and a cycle."""
    stepped = process(steps=(Step(START, "full", "recovered", 4_000),))
    return [
        batch(1, sites=[SITE, OTHER], counters=[(0, SITE.pc, 10, 8), (0, OTHER.pc, 0, 0)], processes=[stepped]),
        batch(
            61,
            sites=[SITE, OTHER],
            counters=[(0, SITE.pc, 130, 68), (0, OTHER.pc, 600, 0)],
            processes=[stepped],
            costs=[(0, 5, 100, 12_500, 900)],
            cycles=[(0, 0, START, START + 3_000_000)],
            heaps=[(1 << 20, 3 << 20, 1 << 20, 4 << 20, 17)],
            pauses=[(0, 0, START, 45_000, "GC mark termination")],
        ),
    ]


def asked(page: Served, address: str = ADDRESS) -> Any:
    return json.loads(page.get(f"{address}{'&' if '?' in address else '?'}format=json").text)


def test_a_process_shows_its_sites_with_their_rates_the_most_live_first(serving: Serving) -> None:
    page = serving(batches=seen())
    other, site = asked(page)["sites"]
    assert (other["function"], other["live"], other["created_per_second"], other["exited_per_second"]) == (
        "main.other", 600, 10.0, 0.0,
    )  # fmt: skip
    assert (site["function"], site["live"], site["created_per_second"], site["exited_per_second"]) == (
        "main.serve", 62, 2.0, 1.0,
    )  # fmt: skip
    text = page.get(ADDRESS).text
    assert text.index("main.other") < text.index("main.serve") < text.index("Changes of level")
    assert '<td data-is="Created per second" class="figure">10.00</td>' in text


def test_a_process_shows_its_levels_its_cost_and_its_cycles(serving: Serving) -> None:
    page = serving(batches=seen())
    known = asked(page)
    assert known["process"]["overhead_percent"] == 1.25
    assert known["process"]["steps"][0]["reason"] == "recovered"
    (cycle,) = known["gc_cycles"]
    assert (cycle["number"], cycle["pauses"][0]["duration_ns"]) == (17, 45_000)
    assert cycle["heap"]["after_bytes"] == 3 << 20
    text = page.get(ADDRESS).text
    for shown in ("1.25 % of its CPU time", "recovered", "0.045 ms GC mark termination", "3.00 ms", "3.0 MiB"):
        assert shown in text


def test_estimates_are_marked_and_live_counts_are_not(serving: Serving) -> None:
    sampled = process(level="sampled", precise=False)
    counters = [(0, SITE.pc, 1, 1), (0, 0, 100, 60)]
    page = serving(
        batches=[batch(1, processes=[sampled], counters=counters, estimates=[(0, SITE.pc, 30, 20, 40, 10, 5, 15)])]
    )
    nameless, site = asked(page)["sites"]
    assert (site["created"], site["exited"], site["live"], site["is_estimated"]) == (31, 11, 0, True)
    assert (nameless["created"], nameless["exited"], nameless["live"]) == (70, 50, 40)
    text = page.get(ADDRESS).text
    assert "statements that are not known" in text
    assert '<td data-is="Live" class="figure">40</td>' in text
    assert '<td data-is="Created per second" class="figure">~' in text


def test_a_process_shows_its_own_findings_and_no_others(serving: Serving) -> None:
    page = serving(
        finding(1, process=KEY), finding(2, process=KEY, live=900), finding(3, process=ProcessKey("boot", 4711, 1, 0)),
        batches=seen(),
    )  # fmt: skip
    assert [found["live"] for found in asked(page)["findings"]] == [900, 100]
    text = page.get(ADDRESS).text
    assert [number for number in (1, 2, 3) if f"/findings/{number:016x}" in text] == [1, 2]


def test_no_finding_and_no_data_are_no_all_clear(serving: Serving) -> None:
    text = serving(batches=[batch(1)]).get(ADDRESS).text
    assert "no finding of this process. That proves nothing" in text
    assert "No data: no go statement" in text
    assert "No data: no cycle" in text


def test_a_process_is_found_by_its_pid_alone_and_a_former_one_by_its_key(serving: Serving) -> None:
    former = process(ProcessKey("boot", KEY.pid, 5, 0), exe="/srv/former", ended_unix_nano=START + SECOND)
    page = serving(batches=[batch(1, processes=[former, process()], counters=[(0, SITE.pc, 3, 0)])])
    assert asked(page, f"/processes/web-1/{KEY.pid}")["process"]["service"] == "app"
    known = asked(page, process_rows.address("web-1", former.key))
    assert known["process"]["service"] == "former"
    assert [site["live"] for site in known["sites"]] == [3]
    assert asked(page)["sites"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/processes/web-1/1", "/processes/none/4711", "/processes/web-1/4711?key=none", "/processes//4711",
        "/processes/web-1/99999999999999999999", "/processes/web-1/x", "/processes/web-1/-1",
    ],
)  # fmt: skip
def test_a_process_that_is_not_known_is_not_found(serving: Serving, path: str) -> None:
    assert serving(batches=seen()).get(path).status == 404


def test_names_of_strangers_are_text_alone_on_the_page_of_a_process(serving: Serving) -> None:
    text = MARKUP + SENDABLE
    host, key = f"a/b?{text}", ProcessKey(text, 7, 1, 0)
    named = process(key, exe=f"/srv/{text}", go_version=text, refusal=text)
    site = replace(SITE, function=text, file=text)
    page = serving(
        finding(host=host, process=key, cause=text, site=site),
        batches=[
            batch(
                1, stream=replace(STREAM, host=host), processes=[named], sites=[site], counters=[(0, SITE.pc, 5, 0)],
                cycles=[(0, 0, START, START + 5)], pauses=[(0, 0, START, 5, text)],
            )
        ],
    )  # fmt: skip
    link = re.search(r'href="(/processes/[^"]+)"', page.get("/fleet").text)
    assert link
    assert link[1] in page.get("/findings/0000000000000001").text
    answer = page.get(link[1])
    assert answer.status == 200
    assert answer.text.count("<script") == answer.text.count('<script src="/static/')
    assert "<img" not in answer.text
    assert unshown(answer.text.replace("\n", "")) == []
    assert unshown(page.get(f"{link[1]}&format=json").text.replace("\n", "")) == []
    json_link = re.search(r'href="(/processes/[^"]+)&amp;format=json"', answer.text)
    assert json_link
    assert json_link[1] == link[1]


def test_a_page_of_a_process_has_a_bounded_number_of_rows(serving: Serving) -> None:
    sites = [replace(SITE, pc=0x1000 + number) for number in range(2_000)]
    page = serving(batches=[batch(1, sites=sites, counters=[(0, site.pc, 2, 1) for site in sites])])
    text = page.get(ADDRESS).text
    assert len(re.findall('data-is="Live"', text)) == MOST_ROWS
    shown, _, more = text.partition(f"<summary>{MOST_ROWS - SHOWN_AT_ONCE:,} more</summary>")
    assert len(re.findall('data-is="Live"', shown)) == SHOWN_AT_ONCE
    assert len(set(re.findall(r'[?&;]site=(\d+)"', more))) == MOST_ROWS - SHOWN_AT_ONCE
    assert "1,500 more are not shown" in text
    assert len(asked(page)["sites"]) == 2_000


def test_the_page_of_a_process_wants_a_session(serving: Serving) -> None:
    page = serving(tokens=True, batches=seen())
    assert page.get(ADDRESS).status == 303
    assert page.get(f"{ADDRESS}&format=json").status == 401


def test_every_key_of_a_process_is_documented(serving: Serving) -> None:
    keys = keys_of(asked(serving(finding(process=KEY), batches=seen())))
    assert len(keys) > 30
    assert keys - code_words((ROOT / "docs" / "web.md").read_text()) == set()


def test_the_pages_of_a_process_and_of_its_finding_name_its_pod(serving: Serving) -> None:
    shop = Container("a" * 64, "0b7e3a4c-9f31-4d52-8a77-5a1d2c3b4e5f", "shop", "web-0", "server", "web")
    page = serving(finding(container=shop), batches=[batch(1, processes=[process(container=shop)])])
    for address in (ADDRESS, "/findings/0000000000000001"):
        text = page.get(address).text
        for what, name in (("Namespace", "shop"), ("Pod", "web-0"), ("Container", "server"), ("Workload", "web")):
            assert f"<dt>{what}</dt><dd><bdi>{name}</bdi></dd>" in text
    assert asked(page)["process"]["container"] == asked(page, "/findings/0000000000000001")["finding"]["container"]
    assert len(json.loads(page.get("/findings?format=json&text=web-0").text)["findings"]) == 1


def test_without_names_the_page_has_what_is_known(serving: Serving) -> None:
    uid = "0b7e3a4c-9f31-4d52-8a77-5a1d2c3b4e5f"
    page = serving(batches=[batch(1, processes=[process(container=Container("a" * 64, uid))])])
    text = page.get(ADDRESS).text
    assert f"<dt>Pod</dt><dd><bdi>{uid}</bdi></dd>" in text
    assert f"<dt>Container</dt><dd><bdi>{'a' * 12}</bdi></dd>" in text
    assert "Namespace" not in text
