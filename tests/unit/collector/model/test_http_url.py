"""A URL of the configuration is taken apart, or refused with the key and without what may be secret."""

import pytest
from gosonde_collector.model.http_url import parsed
from gosonde_common.errors import UsageError


@pytest.mark.parametrize(
    ("text", "place", "target"),
    [
        ("http://alerts.example", "http://alerts.example:80", "/"),
        ("https://alerts.example/team?x=1", "https://alerts.example:443", "/team?x=1"),
        ("http://[::1]:9093/am/", "http://[::1]:9093", "/am/"),
    ],
)
def test_a_url_has_its_parts(text: str, place: str, target: str) -> None:
    url = parsed(text, "key")
    assert (url.place, url.target) == (place, target)


def test_a_path_is_put_behind_what_the_url_has() -> None:
    assert parsed("http://h/am/", "key").below("/api").target == "/am/api"
    assert parsed("http://h", "key").below("/api").target == "/api"


@pytest.mark.parametrize(
    ("text", "is_local"), [("http://127.0.0.1:1", True), ("http://[::1]", True), ("http://h", False)]
)
def test_what_stays_on_this_machine_is_known(text: str, is_local: bool) -> None:
    assert parsed(text, "key").is_local is is_local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alerts.example",
        "ftp://alerts.example",
        "http://",
        "http:///path",
        "http://h:99999",
        "http://h:x",
        "http://user:secret@h/",
        "http://h/#secret",
        "http://h/a secret",
        "http://h/\r\nX: secret",
        "http://h/é",
        "http://[::1/",
        "http://h/" + "a" * 3_000,
    ],
)
def test_anything_else_is_refused_without_repeating_a_secret(text: str) -> None:
    with pytest.raises(UsageError, match=r"^key: ") as refused:
        parsed(text, "key")
    assert "secret" not in str(refused.value)
