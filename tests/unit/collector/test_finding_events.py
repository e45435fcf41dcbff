"""Which findings become events: each state once."""

from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_collector.analysis.finding import GROWING, OPENED, RESOLVED, Finding
from gosonde_collector.model.values import ProcessKey, Site
from gosonde_collector.telemetry.finding_events import FILE_NAME, FindingEvents
from gosonde_common.otlp.counts import Counts
from gosonde_common.otlp.events import Events, Severity

LEAK = Finding(
    id="id",
    state=OPENED,
    confidence=0.5,
    cause="unknown",
    remedy="look",
    host="web-1",
    process=ProcessKey("boot", 7, 70, 0),
    exe="/srv/app",
    site=Site("build", 1, "main.f", "main.go", 12, ""),
    live=40,
    growth_per_second=1.5,
    first_seen_unix_nano=1,
    opened_unix_nano=2,
    grew_unix_nano=3,
    window_s=45,
    base=0,
    peak=40,
    grown_confidence=0.5,
    witnesses=(),
)


@pytest.fixture
def waiting() -> Events:
    return Events(Counts())


def sent(events: Events) -> list[tuple[str, str]]:
    """Accepts all."""
    batch = events.oldest(1_000)
    events.remove(batch)
    events.on_sent(batch)
    return [event.identity for event in batch]


def test_each_state_is_one_event(tmp_path: Path, waiting: Events) -> None:
    findings = FindingEvents(tmp_path, waiting)
    for state in (OPENED, OPENED, GROWING, GROWING, RESOLVED, OPENED):
        findings.look([replace(LEAK, state=state)])
    assert sent(waiting) == [("id", OPENED), ("id", GROWING), ("id", RESOLVED), ("id", OPENED)]


def test_after_a_restart_only_what_was_not_accepted_is_sent(tmp_path: Path, waiting: Events) -> None:
    other = replace(LEAK, id="other")
    findings = FindingEvents(tmp_path, waiting)
    findings.look([LEAK])
    assert sent(waiting) == [("id", OPENED)]
    findings.look([LEAK, other])
    again = Events(Counts())
    FindingEvents(tmp_path, again).look([LEAK, other])
    assert sent(again) == [("other", OPENED)]


def test_what_was_over_before_the_first_look_is_no_news(tmp_path: Path, waiting: Events) -> None:
    FindingEvents(tmp_path, waiting).look([replace(LEAK, id="old", state=RESOLVED), LEAK])
    assert sent(waiting) == [("id", OPENED)]


def test_what_is_over_before_any_event_was_accepted_is_sent_after_a_restart(tmp_path: Path, waiting: Events) -> None:
    FindingEvents(tmp_path, waiting).look([])
    again = Events(Counts())
    FindingEvents(tmp_path, again).look([replace(LEAK, state=RESOLVED)])
    assert sent(again) == [("id", RESOLVED)]


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"id": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_note_ends_nothing(tmp_path: Path, waiting: Events, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    FindingEvents(tmp_path, waiting).look([LEAK, replace(LEAK, id="old", state=RESOLVED)])
    assert sent(waiting) == [("id", OPENED)]
    assert (tmp_path / FILE_NAME).read_text() == '{"old": "resolved", "id": "opened"}'


def test_a_note_that_cannot_be_written_ends_nothing(tmp_path: Path, waiting: Events) -> None:
    (tmp_path / FILE_NAME).mkdir()
    findings = FindingEvents(tmp_path, waiting)
    findings.look([LEAK])
    assert sent(waiting) == [("id", OPENED)]
    findings.look([LEAK])
    assert sent(waiting) == []


def test_findings_that_are_forgotten_are_forgotten_here_too(tmp_path: Path, waiting: Events) -> None:
    findings = FindingEvents(tmp_path, waiting)
    findings.look([LEAK, replace(LEAK, id="other")])
    findings.look([LEAK])
    sent(waiting)
    assert (tmp_path / FILE_NAME).read_text() == '{"id": "opened"}'


def test_an_event_says_what_leaks_where_and_how_grave_that_is(tmp_path: Path, waiting: Events) -> None:
    FindingEvents(tmp_path, waiting).look([replace(LEAK, state=GROWING)])
    (event,) = waiting.oldest(2)
    assert event.severity is Severity.ERROR
    assert event.body == (
        "growing main.f at main.go:12: 40 goroutines live, +1.50 per second, confidence 0.50, "
        "in /srv/app (pid 7 on web-1)"
    )
    assert event.attributes["gosonde.finding.cause"] == "unknown"
    assert event.attributes["code.line.number"] == 12
    assert event.target.owner[:3] == ("web-1", "7", "/srv/app")
