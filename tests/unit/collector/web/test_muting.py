"""Muting a finding from its page, and where one sees that it is muted."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from gosonde_collector.model.tokens import digest_of
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.web.muting import DAY_NS, LONGEST_REASON
from gosonde_common.values.audit import Act, Actor, AuditEvent

from tests.hostile_text import SENDABLE, unshown
from tests.unit.collector.web.conftest import ADMIN, READ, Served, finding
from tests.unit.collector.web.test_findings_list import MARKUP, ids

Serving = Callable[..., Served]
FIRST, SECOND = "/findings/0000000000000001", "/findings/0000000000000002"
FORM = {"reason": "known, harmless: ticket 7", "for": "7 days", "covers": "finding"}


def muted(page: Served, path: str = FIRST) -> Any:
    return json.loads(page.get(f"{path}?format=json").text)["finding"]["muted"]


def test_a_muted_finding_is_left_out_of_the_open_ones_which_say_so(serving: Serving) -> None:
    page = serving(finding(1), finding(2))
    answer = page.post(f"{FIRST}/mute", FORM)
    assert (answer.status, answer.headers["location"]) == (303, FIRST)
    assert [ids(page, query) for query in ("", "state=growing", "state=muted", "state=all")] == [[2], [2], [1], [1, 2]]
    document = json.loads(page.get("/findings?format=json&host=web-1").text)
    assert document["muted_left_out"] == 1
    text = page.get("/findings?host=web-1").text
    assert "1 muted finding is not in this list" in text
    assert 'href="/findings?state=muted&amp;host=web-1"' in text
    assert "not in this list" not in page.get("/findings?host=other").text
    assert ">muted</span>" in page.get("/findings?state=all").text


def test_the_page_of_a_muted_finding_says_why_by_whom_and_until_when(serving: Serving) -> None:
    page = serving(finding(1), web_user_header="X-User", web_admins="ann")
    page.post(f"{FIRST}/mute", FORM, X_User="ann")
    found = json.loads(page.get(f"{FIRST}?format=json", X_User="zoe").text)["finding"]["muted"]
    assert (found["reason"], found["by"], found["covers"]) == (FORM["reason"], "ann", "finding")
    assert found["until_unix_nano"] - found["since_unix_nano"] == 7 * DAY_NS
    text = page.get(FIRST, X_User="zoe").text
    assert "by <bdi>ann</bdi>" in text
    assert FORM["reason"] in text
    assert "Unmute" not in text
    assert "Unmute" in page.get(FIRST, X_User="ann").text


def test_unmuting_has_the_finding_speak_again(serving: Serving) -> None:
    page = serving(finding(1))
    page.post(f"{FIRST}/mute", FORM)
    page.post(f"{FIRST}/mute", {**FORM, "covers": "function"})
    assert muted(page)["covers"] in {"finding", "function"}
    assert page.post(f"{FIRST}/unmute", {}).status == 303
    assert muted(page) is None
    assert ids(page, "") == [1]


def test_a_function_of_a_service_is_muted_on_all_hosts_and_in_all_builds(serving: Serving) -> None:
    site = finding().site.__class__
    page = serving(
        finding(1),
        finding(2, host="db-1", exe="/opt/shop", site=site("newer", 9, "main.leak", "main.go", 99, "f")),
        finding(3, exe="/srv/pay"),
        finding(4, site=site("build", 2, "main.other", "main.go", 12, "f")),
    )
    page.post(f"{FIRST}/mute", {**FORM, "covers": "function"})
    assert ids(page, "state=muted") == [1, 2]
    assert ids(page, "") == [3, 4]


def test_a_mute_outlives_the_collector(serving: Serving, store: DuckDBStore) -> None:
    serving(finding(1)).post(f"{FIRST}/mute", FORM)
    (kept,) = store.mutes()
    assert kept.reason == FORM["reason"]
    again = serving()
    assert muted(again)["reason"] == FORM["reason"]


#: What a form lacks, or may not have.
WRONG = (
    {"reason": " "}, {"reason": "x" * (LONGEST_REASON + 1)}, {"reason": "a\nb"}, {"reason": "a\x1b[2J"},
    {"reason": "a\u202eb"}, {"for": ""}, {"for": "100 years"}, {"covers": ""}, {"covers": "all"},
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=map(repr, range(len(WRONG))))
def test_a_mute_without_a_reason_or_an_end_is_refused(serving: Serving, wrong: dict[str, str]) -> None:
    page = serving(finding(1))
    assert page.post(f"{FIRST}/mute", {**FORM, **wrong}).status == 400
    assert muted(page) is None


def test_a_finding_of_no_known_function_is_muted_alone(serving: Serving) -> None:
    page = serving(finding(1, site=finding().site.__class__("build", 1)))
    assert 'value="function"' not in page.get(FIRST).text
    assert page.post(f"{FIRST}/mute", {**FORM, "covers": "function"}).status == 400
    assert page.post(f"{FIRST}/mute", FORM).status == 303


def test_what_is_written_as_a_reason_is_text_alone(serving: Serving) -> None:
    page = serving(finding(1), web_user_header="X-User", web_admins=MARKUP.replace(",", ""))
    reason = MARKUP + SENDABLE
    assert page.post(f"{FIRST}/mute", {**FORM, "reason": MARKUP}, X_User=MARKUP).status == 303
    assert page.post(f"{FIRST}/mute", {**FORM, "reason": reason}, X_User=MARKUP).status == 400
    text = page.get(FIRST, X_User="zoe").text
    assert text.count("<script") == text.count('<script src="/static/')
    assert "<img" not in text
    assert unshown(text.replace("\n", "")) == []


@pytest.mark.parametrize("act", ["mute", "unmute"])
def test_only_who_has_the_role_admin_mutes(serving: Serving, act: str) -> None:
    page = serving(finding(1), tokens=True)
    reader, admin = page.sign_in(READ), page.sign_in(ADMIN)
    assert page.post(f"{FIRST}/{act}", FORM).status == 401
    assert page.post(f"{FIRST}/{act}", FORM, Cookie=reader).status == 403
    assert "Mute this finding" not in page.get(FIRST, Cookie=reader).text
    assert "Mute this finding" in page.get(FIRST, Cookie=admin).text
    assert page.post(f"{FIRST}/{act}", FORM, Cookie=admin).status == 303


@pytest.mark.parametrize("act", ["mute", "unmute"])
def test_another_page_cannot_have_a_browser_mute(serving: Serving, act: str) -> None:
    page = serving(finding(1))
    assert page.post(f"{FIRST}/{act}", FORM, Sec_Fetch_Site="cross-site").status == 403
    assert page.get(f"{FIRST}/{act}").status == 405
    assert muted(page) is None


def test_there_is_no_muting_what_is_not_there(serving: Serving) -> None:
    assert serving(finding(1)).post(f"{SECOND}/mute", FORM).status == 404


def noted(store: DuckDBStore) -> list[AuditEvent]:
    """What is known of who has muted, the first first."""
    return [record.event for record in reversed(store.audit(ProcessFilter(), 0, 100))]


def test_who_mutes_and_unmutes_is_noted_with_what_and_why(serving: Serving, store: DuckDBStore) -> None:
    page = serving(finding(), tokens=True)
    page.post(f"{FIRST}/mute", FORM, Authorization=f"Bearer {ADMIN}")
    page.post(f"{FIRST}/unmute", {}, Cookie=page.sign_in(ADMIN))
    muted, unmuted = noted(store)
    assert (muted.act, unmuted.act) == (Act.FINDINGS_MUTED, Act.FINDING_UNMUTED)
    assert {muted.actor, unmuted.actor} == {Actor.PAGE}
    assert {muted.who, unmuted.who} == {f"127.0.0.1 token {digest_of(ADMIN)[:12]}"}
    assert (muted.pid, muted.detail.startswith("finding 0000000000000001, until 20")) == (7, True)
    assert muted.detail.endswith(f"UTC: {FORM['reason']}")


def test_what_is_refused_is_no_act(serving: Serving, store: DuckDBStore) -> None:
    page = serving(finding(), tokens=True)
    page.post(f"{FIRST}/mute", FORM, Authorization=f"Bearer {READ}")
    page.post(f"{FIRST}/mute", {**FORM, "reason": ""}, Authorization=f"Bearer {ADMIN}")
    assert noted(store) == []


def test_nothing_is_muted_that_cannot_be_noted(serving: Serving, store: DuckDBStore) -> None:
    page = serving(finding())
    store.min_free_bytes = 1 << 60
    assert page.post(f"{FIRST}/mute", FORM).status >= 400
    store.min_free_bytes = 0
    assert store.mutes() == []
