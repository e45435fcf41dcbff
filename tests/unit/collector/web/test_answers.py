"""What every answer says to the browser, and what the page bears of whoever asks."""

import hashlib
import re
import socket
from collections.abc import Callable

from gosonde_collector.web.changes import MOST_WATCHERS
from gosonde_collector.web.files import STATIC
from gosonde_collector.web.rendering import TEMPLATES

from tests.paths import ROOT
from tests.unit.collector.web.conftest import Served, finding

Serving = Callable[..., Served]
KIBIBYTE = 1 << 10


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed(serving: Serving) -> None:
    page = serving(finding())
    for path in ("/findings", "/findings/0000000000000001", "/nowhere", "/sign-in", "/static/live.js"):
        headers = page.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'", path
        assert set(policy.values()) == {"'none'", "'self'"}, path
        assert policy["frame-ancestors"] == "'none'", path
        assert headers["x-content-type-options"] == "nosniff", path


def test_no_template_has_a_script_or_a_style_of_its_own() -> None:
    templates = list(TEMPLATES.glob("*.html"))
    assert len(templates) >= 4
    for template in templates:
        text = template.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://|\|\s*safe", text), template.name
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), template.name


def test_all_files_of_the_page_together_are_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 200 * KIBIBYTE


def test_libraries_are_unchanged_and_their_licences_are_here() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| `([0-9a-f]{64})` \| `([^`]+)`", (ROOT / "docs" / "web.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 2
    for name, digest, licence in rows:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest
        assert (ROOT / licence).is_file()


def test_a_flame_graph_may_run_its_own_script_and_no_other(serving: Serving) -> None:
    answer = serving(finding()).get("/findings/0000000000000001/flames.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    policy = answer.headers["content-security-policy"]
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", policy)) == 2
    assert "unsafe" not in policy
    assert 'data-name="main.outer"' in answer.text


def test_a_file_is_not_sent_again_to_who_has_it(serving: Serving) -> None:
    page = serving()
    first = page.get("/static/gosonde.css")
    assert first.status == 200
    again = page.get("/static/gosonde.css", If_None_Match=first.headers["etag"])
    assert (again.status, again.text) == (304, "")


def test_what_is_not_there_is_not_found(serving: Serving) -> None:
    page = serving()
    for path in ("/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/none.css", "/findings/none", "/nowhere"):
        assert page.get(path).status == 404, path


def test_a_form_that_is_too_large_is_refused(serving: Serving) -> None:
    assert serving(tokens=True).post("/sign-in", {"token": "x" * 20 * KIBIBYTE}).status == 413


def test_headers_that_are_too_large_are_refused(serving: Serving) -> None:
    page = serving()
    host, _, port = page.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(f"GET /findings HTTP/1.1\r\nHost: {page.address}\r\nX-Much: ".encode() + b"x" * 17 * KIBIBYTE)
        assert client.recv(12) == b"HTTP/1.1 400"


def test_a_form_that_is_none_is_refused(serving: Serving) -> None:
    page = serving(tokens=True)
    answer = page.ask("POST", "/sign-in", {"Sec-Fetch-Site": "same-origin"}, b"\xff=&" * 9)
    assert answer.status == 400


def test_a_page_that_is_open_hears_at_once_what_there_is(serving: Serving) -> None:
    page = serving(finding())
    host, _, port = page.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as watcher:
        watcher.sendall(f"GET /changes HTTP/1.1\r\nHost: {page.address}\r\n\r\n".encode())
        heard = b""
        while b"event: change" not in heard:
            piece = watcher.recv(4096)
            assert piece, heard
            heard += piece


def test_there_is_a_bound_on_pages_that_watch(serving: Serving) -> None:
    page = serving()
    host, _, port = page.address.rpartition(":")
    watchers = []
    try:
        for _ in range(MOST_WATCHERS):
            watcher = socket.create_connection((host, int(port)), timeout=60)
            watchers.append(watcher)
            watcher.sendall(f"GET /changes HTTP/1.1\r\nHost: {page.address}\r\n\r\n".encode())
            assert watcher.recv(12) == b"HTTP/1.1 200"
        assert page.get("/changes?format=json").status == 503
        assert page.get("/findings").status == 200
    finally:
        for watcher in watchers:
            watcher.close()
