"""What strangers write reaches people as they may read it, and programs as it is."""

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest
import structlog
from gosonde_cli import cli, rendering
from gosonde_common import foreign, logs
from gosonde_common.errors import GosondeError
from gosonde_common.metrics import MetricsServer
from prometheus_client import CollectorRegistry, Gauge

from tests.hostile_text import HOSTILE, unshown


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Loggers of later tests must not print to what was captured here."""
    yield
    structlog.reset_defaults()


def test_what_a_terminal_would_not_show_is_spelled_out() -> None:
    assert foreign.shown("a\x1b[2J\x9b\n\u202e\ud800\U000e0061é世") == "a\\x1b[2J\\x9b\\x0a\\u202e\\ud800\\U000e0061é世"
    assert not unshown(foreign.shown(HOSTILE))


def test_a_long_text_is_cut() -> None:
    assert foreign.shown("x" * 10_000) == "x" * (foreign.MAX_TEXT - 1) + "…"
    assert len(foreign.shown("\x1b" * 10_000)) < 5 * foreign.MAX_TEXT


def test_json_stays_what_it_was_for_whoever_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"exe": HOSTILE, HOSTILE: ["\x7f", "世", 1.5, None, "\U000e0061"]}
    rendering.print_json(document)
    printed = capsys.readouterr().out
    assert json.loads(printed) == document
    assert not unshown(printed.replace("\n", ""))
    assert "世" in printed


def test_a_message_of_the_command_is_one_line_without_controls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_wanted: str) -> None:
        raise GosondeError(f"cannot read {HOSTILE}")

    monkeypatch.setattr(cli, "app", failing)
    with pytest.raises(SystemExit):
        cli.main()
    assert not unshown(capsys.readouterr().err.removesuffix("\n"))


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_line_holds_no_control_of_a_stranger(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=as_json)
    structlog.get_logger().info("watched", path=HOSTILE, reasons=[HOSTILE, {"exe": HOSTILE}])
    line = capsys.readouterr().err.removesuffix("\n")
    # The colours of the console are its own.
    for style in ("\x1b[0m", "\x1b[1m", "\x1b[2m", *(f"\x1b[{number}m" for number in range(30, 50))):
        line = line.replace(style, "")
    assert not unshown(line)
    if as_json:
        assert json.loads(line)["reasons"] == [HOSTILE, {"exe": HOSTILE}]


def test_a_traceback_keeps_its_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    try:
        int(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "Traceback" in json.loads(capsys.readouterr().err)["exception"]


@pytest.mark.parametrize("query", ["", "?name[]=seen"])
def test_a_label_that_is_no_text_does_not_end_the_scrape(query: str) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("seen", "Processes.", ("exe",), registry=registry)
    gauge.labels(HOSTILE).set(1)
    gauge.labels("/srv/honest").set(time.time())
    server = MetricsServer("127.0.0.1:0", registry, lambda: [HOSTILE])
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics{query}", timeout=10) as answer:
            text = answer.read().decode()
    finally:
        server.close()
    assert 'exe="/srv/honest"' in text
    assert not unshown(text.replace("\n", ""))
