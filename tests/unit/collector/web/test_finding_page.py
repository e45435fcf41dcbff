"""What the page of a finding shows: ages of goroutines, and what the compiler says of escapes."""

import re
from dataclasses import fields, replace

from gosonde import escapes as client
from gosonde_collector.analysis.escapes import Amounts, EscapeLine, FindingEscapes
from gosonde_collector.analysis.explanation import Explanation
from gosonde_collector.evidence.escapes.model import PARAMETER, VARIABLE, Value
from gosonde_collector.ingest.access import Role
from gosonde_collector.web import documents
from gosonde_collector.web.finding_goroutines import Listing
from gosonde_collector.web.finding_page import bars
from gosonde_collector.web.finding_series import Course
from gosonde_collector.web.findings_list import Row
from gosonde_collector.web.gate import Visitor
from gosonde_collector.web.rendering import Pages
from gosonde_common.values.ages import AgeBar, Ages
from gosonde_common.values.escapes import NOT_WHO_HOLDS, SAMPLED
from gosonde_common.values.http import HostSeen
from markupsafe import escape

from tests.unit.collector.web.conftest import finding

SECOND = 1_000_000_000


def html(ages: Ages | None = None, escapes: FindingEscapes | None = None, hosts: tuple[HostSeen, ...] = ()) -> str:
    known = Explanation(replace(finding(), hosts=hosts), ages=ages, escapes=escapes)
    values = {
        "row": Row(known.finding),
        "known": known,
        "course": Course(),
        "goroutines": Listing(),
        "states_then": [],
        "witnesses": [],
        "is_read": False,
        "window": (0, 1),
        "bars": bars(ages) if ages else [],
        "asked": (),
        "flames": "0",
        "sampled": SAMPLED,
        "not_who_holds": NOT_WHO_HOLDS,
    }
    return Pages().html("finding.html", Visitor("", Role.READ), **values)


def test_bars_are_as_long_as_their_goroutines_are_many() -> None:
    ages = Ages((AgeBar(0, 25), AgeBar(10 * SECOND, 100), AgeBar(60 * SECOND, 0)), 0, None)
    assert re.findall(r'<rect width="([0-9.]+)%"', html(ages)) == ["25.0", "100.0", "0.0"]
    assert "the age is not known" not in html(ages)


def test_where_no_age_is_known_it_says_so() -> None:
    text = html(Ages((), 9, None))
    assert "Of 9 the age is not known." in text
    assert "<rect" not in text


def test_without_a_snapshot_nothing_is_said_of_ages() -> None:
    assert 'id="ages"' not in html(None)


def test_hosts_of_connections_are_shown_and_no_markup_of_theirs() -> None:
    text = html(hosts=(HostSeen("https://<b>api:443", 40, 37, 0, 3, 0, 1),))
    assert "37 of 40 connections to https://&lt;b&gt;api:443 wait for their body to be read" in text
    assert 'id="hosts"' not in html()


def value(kind: str, name: str, why: str) -> Value:
    return Value("shop", "main.go", 7, 2, kind, name, why)


HELD = EscapeLine("main.leak", "/srv/main.go", 7, (value(VARIABLE, "n", "<b>sent</b>"),), Amounts(9, 90, 1_234, 5_678))
MADE = EscapeLine("main.leak", "/srv/main.go", 6, (value(PARAMETER, "out", ""),))
KNOWN = FindingEscapes(10**18, True, 10**18, (HELD, MADE), 0, (("main.<i>late", "it is not there"),))


def test_what_escapes_stands_with_its_reason_its_numbers_and_what_they_do_not_say() -> None:
    text = html(escapes=KNOWN)
    for words in (
        "the variable <code>n</code>: &lt;b&gt;sent&lt;/b&gt;</td>",
        '<td class="figure">1,234</td><td class="figure">5,678</td>',
        "what the parameter points to: <code>out</code></td>",
        '<td class="figure">\N{EN DASH}</td>',
        "Not known of <bdi>main.&lt;i&gt;late</bdi>: it is not there.",
        NOT_WHO_HOLDS,
        escape(SAMPLED),
    ):
        assert words in text


def test_without_a_heap_profile_it_is_said_that_numbers_are_not_known() -> None:
    text = html(escapes=replace(KNOWN, heap_taken_unix_nano=None, is_detailed=False))
    assert "How much is in use is not known" in text
    assert "without reasons" in text
    assert NOT_WHO_HOLDS not in text


def test_without_the_compiler_s_output_nothing_is_said_of_escapes() -> None:
    assert 'id="escapes"' not in html()


def test_the_document_has_the_keys_of_the_command_s() -> None:
    document = documents.escapes(KNOWN)
    assert set(document) == {field.name for field in fields(client.FindingEscapes)}
    assert set(document["missing"][0]) == {field.name for field in fields(client.MissingFunction)}
    for line in document["lines"]:
        assert set(line) == {field.name for field in fields(client.EscapeLine)}
        assert set(line["values"][0]) == {field.name for field in fields(client.EscapingValue)}
    assert [line["inuse_bytes"] for line in document["lines"]] == [5_678, None]
