"""Which hosts and processes the fleet shows, and that what is not known is said to be so."""

import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from gosonde_collector.model.values import NO_PROBES, Batch, ProcessKey, Step
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.web import fleet_page
from gosonde_collector.web.findings_list import MOST_ROWS

from tests.hostile_text import SENDABLE, unshown
from tests.paths import ROOT
from tests.unit.collector.batches import KEY, SITE, START, STREAM, batch, process
from tests.unit.collector.web.conftest import Served
from tests.unit.collector.web.test_findings_list import MARKUP
from tests.unit.repository.test_docs import code_words, keys_of

Serving = Callable[..., Served]
OTHER = replace(STREAM, agent_id="other", host="db-1", agent_version="0.2.0")
PAY = ProcessKey("boot", 12, 5, 0)


def heard(**changes: Any) -> list[Batch]:
    """What comes now from web-1, where /srv/app runs, and came long ago from db-1, where /srv/pay does."""
    step = Step(START, "sampled", "budget", 61_000)
    paying = process(PAY, exe="/srv/pay", go_version="go1.23.1", level="sampled", steps=(step,))
    return [
        batch(
            1,
            counters=[(0, SITE.pc, 50, 8)],
            costs=[(0, 5, 100, 12_500, 900)],
            losses={"events_lost": 7, "names_lost": 0},
            taken_unix_nano=time.time_ns(),
            **changes,
        ),
        batch(1, stream=OTHER, processes=[paying], counters=[(0, SITE.pc, 9, 0)]),
    ]


def asked(page: Served, query: str = "") -> Any:
    return json.loads(page.get(f"/fleet?format=json&{query}").text)


def test_without_agents_the_fleet_says_that_there_is_no_data(serving: Serving) -> None:
    page = serving()
    assert "No data: no agent has sent anything yet" in page.get("/fleet").text
    assert asked(page) == {"hosts": [], "processes": []}


def test_the_silent_come_first_and_are_marked(serving: Serving) -> None:
    page = serving(batches=heard())
    hosts = asked(page)["hosts"]
    assert [(host["host"], host["stale"], host["agent_version"]) for host in hosts] == [
        ("db-1", True, "0.2.0"),
        ("web-1", False, "0.1.0"),
    ]
    text = page.get("/fleet").text
    assert text.count('class="state stale"') == 1
    assert text.index(">db-1</bdi></th>") < text.index(">web-1</bdi></th>")


def test_when_nothing_more_is_heard_processes_are_marked_as_their_hosts_are(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = serving(batches=heard())
    monkeypatch.setattr(fleet_page, "steady_unix_nano", lambda: time.time_ns() + 3_600_000_000_000)
    known = asked(page)
    assert [row["stale"] for row in known["hosts"] + known["processes"]] == [True] * 4
    assert page.get("/fleet").text.count('class="state stale"') == 4


def test_a_process_has_its_level_its_cost_and_its_last_step(serving: Serving) -> None:
    page = serving(batches=heard())
    app, pay = asked(page)["processes"]
    assert (app["service"], app["pid"], app["live"], app["overhead_percent"]) == ("app", KEY.pid, 42, 1.25)
    assert (app["source"], app["steps"], pay["level"]) == ("ebpf", [], "sampled")
    assert pay["steps"][0]["reason"] == "budget"
    text = page.get("/fleet").text
    assert "1.25 %" in text
    assert "sampled (budget)" in text


def test_counters_of_what_was_lost_are_there_and_nothing_lost_is_told_from_not_known(
    serving: Serving, store: DuckDBStore
) -> None:
    store.append([batch(1, stream=replace(STREAM, agent_id="older", host="old-1"))])  # before this collector started
    page = serving(batches=heard())
    known = {host["host"]: host for host in asked(page)["hosts"]}
    assert known["web-1"]["lost"] == {"events_lost": 7}
    assert known["db-1"]["lost"] == {}
    assert (known["old-1"]["lost"], known["old-1"]["agent_version"], known["old-1"]["age_ns"]) == (None, None, None)
    assert known["old-1"]["stale"]
    text = page.get("/fleet").text
    for shown in ("events_lost: 7", ">nothing</td>", ">not known</td>", "not since the collector started"):
        assert shown in text


def test_nothing_is_said_of_the_goroutines_of_a_refused_process(serving: Serving) -> None:
    refused = process(level="refused", refusal="it is stripped")
    page = serving(batches=[batch(1, processes=[refused])])
    (row,) = asked(page)["processes"]
    assert (row["live"], row["created"], row["source"], row["refusal"]) == (None, None, "", "it is stripped")
    text = page.get("/fleet").text
    assert "it is stripped" in text
    assert '<td data-is="Live" class="figure">not known</td>' in text


def test_a_process_without_probes_is_watched_by_memory(serving: Serving) -> None:
    without = process(level="memory", steps=(Step(START, "memory", NO_PROBES, 0),))
    (row,) = asked(serving(batches=[batch(1, processes=[without])]))["processes"]
    assert row["source"] == "memory"


def test_what_has_ended_is_not_in_the_fleet_but_its_host_is(serving: Serving) -> None:
    page = serving(batches=[batch(1, processes=[process(ended_unix_nano=START)])])
    assert asked(page)["processes"] == []
    assert [host["running"] for host in asked(page)["hosts"]] == [0]
    assert "No running process is known" in page.get("/fleet").text


FILTERED: dict[str, tuple[list[str], list[str]]] = {
    "": (["db-1", "web-1"], ["app", "pay"]),
    "host=db-1": (["db-1"], ["pay"]),
    "service=app": (["web-1"], ["app"]),
    "service=ap": ([], []),
    "text=GO1.23": (["db-1"], ["pay"]),
    "text=4711": (["web-1"], ["app"]),
    "host=db-1&text=4711": ([], []),
    "host=none": ([], []),
}


@pytest.mark.parametrize("query", FILTERED)
def test_filters_of_the_fleet_stand_in_the_address(serving: Serving, query: str) -> None:
    page = serving(batches=heard())
    hosts, services = FILTERED[query]
    shown = asked(page, query)
    assert [host["host"] for host in shown["hosts"]] == hosts
    assert [row["service"] for row in shown["processes"]] == services
    text = page.get(f"/fleet?{query}").text
    assert [name for name in ("db-1", "web-1") if f'data-is="Host"><bdi>{name}</bdi></th>' in text] == hosts


def test_names_of_strangers_are_text_alone_in_the_fleet(serving: Serving) -> None:
    text = MARKUP + SENDABLE
    named = process(exe=f"/srv/{text}", go_version=text, level="refused", refusal=text)
    stream = replace(STREAM, host=text, agent_version=text)
    page = serving(batches=[batch(1, stream=stream, processes=[named], losses={text: 3})])
    answer = page.get("/fleet")
    assert answer.status == 200
    assert answer.text.count("<script") == answer.text.count('<script src="/static/') == 1
    assert "<img" not in answer.text
    assert unshown(answer.text.replace("\n", "")) == []
    assert unshown(page.get("/fleet?format=json").text.replace("\n", "")) == []


def test_a_page_of_the_fleet_has_a_bounded_number_of_rows(serving: Serving) -> None:
    many = [process(ProcessKey("boot", pid, 1, 0)) for pid in range(1, MOST_ROWS + 8)]
    text = serving(batches=[batch(1, processes=many)]).get("/fleet").text
    assert len(re.findall('data-is="Pid"', text)) == MOST_ROWS
    assert "7 more are not shown" in text


def test_the_fleet_wants_a_session_as_other_pages_do(serving: Serving) -> None:
    page = serving(tokens=True)
    for path in ("/fleet", "/fleet/changes"):
        assert page.get(path).status == 303
        assert page.get(f"{path}?format=json").status == 401


def test_every_page_leads_to_the_fleet(serving: Serving) -> None:
    page = serving()
    assert all('<a href="/fleet">Fleet</a>' in page.get(path).text for path in ("/findings", "/fleet"))


def test_a_fleet_that_is_open_hears_of_changes(serving: Serving, store: DuckDBStore) -> None:
    page = serving(batches=heard())
    host, _, port = page.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as watcher:
        watcher.sendall(f"GET /fleet/changes HTTP/1.1\r\nHost: {page.address}\r\n\r\n".encode())
        seen = b""
        while seen.count(b"event: change") < 2:  # at once, and when it is looked for the first time
            seen += listened(watcher)
        store.append([batch(2, counters=[(0, SITE.pc, 90, 8)], taken_unix_nano=time.time_ns())])
        while seen.count(b"event: change") < 3:
            seen += listened(watcher)
    assert asked(page, "host=web-1")["processes"][0]["live"] == 82


def listened(watcher: socket.socket) -> bytes:
    piece = watcher.recv(4096)
    assert piece
    return piece


def test_every_key_of_the_fleet_is_documented(serving: Serving) -> None:
    keys = keys_of(asked(serving(batches=heard())))
    assert len(keys) > 20
    assert keys - code_words((ROOT / "docs" / "web.md").read_text()) == set()
