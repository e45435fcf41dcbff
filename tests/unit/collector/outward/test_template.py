"""A template makes JSON of an alert, or is refused with what is wrong and where."""

import json
from pathlib import Path

import pytest
from gosonde_collector.model.errors import DeliveryError, Undelivered
from gosonde_collector.outward.alerts.alert import Alert
from gosonde_collector.outward.alerts.ledger import Message
from gosonde_collector.outward.alerts.template import Body
from gosonde_common.errors import UsageError

ALERT = Alert("1", "info", "opened", {"host": 'a"b\\\n'}, {"summary": '</script>"{{ 7 * 7 }}'}, 1_500_000_000)


def written(folder: Path, text: str | bytes) -> str:
    path = folder / "body.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_without_a_template_a_body_says_all_that_is_known() -> None:
    assert json.loads(Body().of(Message(ALERT, 2_000_000_000))) == {
        "status": "resolved",
        "finding": "1",
        "severity": "info",
        "state": "opened",
        "starts_at": "1970-01-01T00:00:01.500Z",
        "ends_at": "1970-01-01T00:00:02.000Z",
        "labels": {"host": 'a"b\\\n', "severity": "info"},
        "annotations": {"summary": '</script>"{{ 7 * 7 }}'},
        "url": "",
    }


def test_foreign_texts_stay_texts_and_are_never_templates(tmp_path: Path) -> None:
    body = Body(written(tmp_path, '{"text": {{ (status ~ ": " ~ annotations.summary) | tojson }} }'))
    assert json.loads(body.of(Message(ALERT))) == {"text": 'firing: </script>"{{ 7 * 7 }}'}


def test_a_template_may_have_nothing_to_say(tmp_path: Path) -> None:
    body = Body(written(tmp_path, '{% if severity == "warning" %}{"a": 1}{% endif %}\n'))
    assert body.of(Message(ALERT)) == b""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ finding", "line 1"),
        ('{"a": 1}\n{% nothing %}', "line 2"),
        ("{{ nobody }}", "'nobody' is undefined"),
        ("firing", "no JSON"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ labels.clear() }}", "unsafe|not safely callable"),
        ("{% for i in range(99999) %}{{ i }}aaaa{% endfor %}", "more than 262,144 characters"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% include '/etc/passwd' %}", "no loader"),
        (b"\xff", "not UTF-8"),
        (" " * (65 << 10), "larger than"),
    ],
)
def test_a_template_that_fails_is_refused_at_the_start(tmp_path: Path, text: str | bytes, fault: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError, match=fault) as refused:
        Body(path)
    assert str(refused.value).startswith(f"webhook_template: {path}")


def test_a_template_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="webhook_template: /nowhere/x cannot be read: No such file"):
        Body("/nowhere/x")


def test_what_fails_for_one_finding_alone_is_said_of_that_one(tmp_path: Path) -> None:
    body = Body(
        written(tmp_path, '{"a": {{ "x" if labels.host == "web-1" else annotations.nothing }} }'.replace('"x"', "1"))
    )
    with pytest.raises(DeliveryError, match="has no attribute 'nothing'") as failed:
        body.of(Message(ALERT))
    assert failed.value.reason is Undelivered.TEMPLATE
