"""The oldest goroutines of a finding one by one, and all of them as a file for go tool pprof."""

import gzip
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from gosonde_collector.evidence.model import MEMORY, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.web.finding_goroutines import MOST_SHOWN

from tests.hostile_text import SENDABLE, unshown
from tests.paths import ROOT
from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process
from tests.unit.collector.web.conftest import Served, finding
from tests.unit.collector.web.test_findings_list import MARKUP
from tests.unit.repository.test_docs import code_words, keys_of

Serving = Callable[..., Served]
ADDRESS = "/findings/0000000000000001"
HERE, OTHER = Frame(SITE.function, SITE.file, SITE.line), Frame("main.other", "main.go", 7)
STACK = (Frame("runtime.gopark", "proc.go", 1), Frame(SITE.start_function, "main.go", 50))


def waiting(goids: Iterable[int], wait_s: int, state: str = "chan send", by: Frame = HERE) -> GoroutineGroup:
    known = tuple(goids)
    return GoroutineGroup(len(known), STACK, by, state, wait_s, known, 2_048 * len(known))


def snapshot(store: DuckDBStore, second: int, *groups: GoroutineGroup, form: str = MEMORY) -> None:
    store.add_snapshot("web-1", KEY, START + second * SECOND, GoroutineProfile(form, groups))


def served(serving: Serving, **described: Any) -> Served:
    batches = [batch(n, processes=[process(**described)], counters=[(0, SITE.pc, n, 0)]) for n in range(1, 301)]
    return serving(finding(process=KEY, site=SITE), batches=batches)


def listed(page: Served) -> Any:
    return json.loads(page.get(f"{ADDRESS}?format=json").text)["goroutines"]


def test_the_oldest_come_first_with_their_age_state_and_since_when_they_were_seen(
    serving: Serving, store: DuckDBStore
) -> None:
    snapshot(store, 100, waiting([20, 30], 0), waiting([5], 0, by=OTHER))
    snapshot(store, 280, waiting([30, 20], 190), waiting([90], 7, "select"), waiting([5, 95], 3, by=OTHER))
    page = served(serving)
    found = listed(page)
    assert (found["taken_unix_nano"], found["goroutines"], found["not_shown"]) == (START + 280 * SECOND, 3, 0)
    assert [(one["goid"], one["state"], one["at_least_ns"], one["wait_ns"]) for one in found["oldest"]] == [
        (20, "chan send", 190 * SECOND, 190 * SECOND),
        (30, "chan send", 190 * SECOND, 190 * SECOND),
        (90, "select", 7 * SECOND, 7 * SECOND),
    ]
    assert [(one["seen_unix_nano"] - START) // SECOND for one in found["oldest"]] == [100, 100, 280]
    text = page.get(ADDRESS).text
    assert re.findall(r'<th scope="row" class="figure">(\d+)</th>', text) == ["20", "30", "90"]
    assert "more are not shown" not in text


def test_there_is_a_bound_and_how_many_it_leaves_out_is_said(serving: Serving, store: DuckDBStore) -> None:
    snapshot(store, 280, waiting(range(1_000, 0, -1), 9))
    page = served(serving)
    found = listed(page)
    assert [one["goid"] for one in found["oldest"]] == list(range(1, MOST_SHOWN + 1))
    assert found["not_shown"] == 1_000 - MOST_SHOWN
    assert "950 more are not shown." in page.get(ADDRESS).text


def test_without_a_snapshot_there_is_neither_a_list_nor_a_file(serving: Serving) -> None:
    page = served(serving)
    assert listed(page) is None
    text = page.get(ADDRESS).text
    assert "Oldest goroutines" not in text
    assert "pb.gz" not in text
    assert page.get(f"{ADDRESS}/goroutines.pb.gz").status == 404


def test_the_file_has_the_finding_s_goroutines_and_no_others(serving: Serving, store: DuckDBStore) -> None:
    snapshot(store, 280, waiting([20, 30], 190), waiting([90], 7, "select"), waiting([5, 95], 3, by=OTHER))
    page = served(serving)
    assert f'href="{ADDRESS}/goroutines.pb.gz"' in page.get(ADDRESS).text
    answer = page.get(f"{ADDRESS}/goroutines.pb.gz")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="finding-0000000000000001.pb.gz"'
    profile = parse_profile(gzip.decompress(answer.body))
    assert isinstance(profile, GoroutineProfile)
    assert profile.groups == (waiting([20, 30], 190), waiting([90], 7, "select"))
    assert profile.taken_unix_nano == START + 280 * SECOND


def test_what_was_pushed_is_in_the_file_where_memory_was_not_read(serving: Serving, store: DuckDBStore) -> None:
    snapshot(store, 280, waiting([20, 30], 120), form="debug=2")
    page = served(serving)
    profile = parse_profile(gzip.decompress(page.get(f"{ADDRESS}/goroutines.pb.gz").body))
    assert isinstance(profile, GoroutineProfile)
    assert (profile.format, profile.goroutines) == ("proto", 2)
    assert "newest snapshot that was pushed" in page.get(ADDRESS).text


def test_goroutines_of_a_process_that_has_ended_can_be_fetched_and_are_not_listed(
    serving: Serving, store: DuckDBStore
) -> None:
    snapshot(store, 280, waiting([20, 30], 190))
    page = served(serving, ended_unix_nano=START + 300 * SECOND)
    assert listed(page)["oldest"] == []
    assert page.get(f"{ADDRESS}/goroutines.pb.gz").status == 200


def test_only_who_may_look_gets_the_file(serving: Serving) -> None:
    assert serving(finding(), tokens=True).get(f"{ADDRESS}/goroutines.pb.gz").status == 303


def test_what_they_wait_for_is_told_from_snapshot_to_snapshot(serving: Serving, store: DuckDBStore) -> None:
    elsewhere = Frame("main.elsewhere", "other.go", SITE.line)
    snapshot(store, 100, waiting([20], 0, "select"), waiting([7], 0, by=elsewhere))
    snapshot(store, 200, waiting([7], 0, by=elsewhere))
    snapshot(store, 280, waiting([20], 5, "select"), waiting([30, 31], 5), waiting([32], 9), waiting([5], 3, by=OTHER))
    page = served(serving)
    found = json.loads(page.get(f"{ADDRESS}?format=json").text)["states_over_time"]
    assert [((one["taken_unix_nano"] - START) // SECOND, one["states"]) for one in found] == [
        (280, [{"state": "chan send", "goroutines": 3}, {"state": "select", "goroutines": 1}]),
        (100, [{"state": "select", "goroutines": 1}]),
    ]
    text = page.get(ADDRESS).text
    assert "In the 2 newest snapshots of memory" in text
    assert "<td>3 chan send, 1 select</td>" in text


def test_states_of_strangers_are_text_alone(serving: Serving, store: DuckDBStore) -> None:
    strange = f"{MARKUP}{SENDABLE}"
    for second in (100, 280):
        snapshot(store, second, waiting([20], 5, strange))
    page = served(serving)
    text = page.get(ADDRESS).text
    assert text.count("&lt;script&gt;") >= 3
    assert "<script>" not in text
    assert unshown(text.replace("\n", "")) == []
    assert gzip.decompress(page.get(f"{ADDRESS}/goroutines.pb.gz").body)


def test_every_key_of_a_finding_is_documented(serving: Serving, store: DuckDBStore) -> None:
    snapshot(store, 280, waiting([20, 30], 190))
    page = served(serving)
    keys = keys_of(json.loads(page.get(f"{ADDRESS}?format=json").text))
    assert {"points", "is_after_gap", "seen_unix_nano"} <= keys
    assert keys - code_words((ROOT / "docs" / "web.md").read_text()) == set()
