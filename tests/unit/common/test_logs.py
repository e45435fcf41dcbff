"""Logs are JSON lines whose level can change while the process runs."""

import json
import os
from collections.abc import Iterator

import pytest
import structlog
from gosonde_common import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Loggers of later tests must not print to what was captured here."""
    yield
    structlog.reset_defaults()


def test_each_line_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    structlog.get_logger().info("agent started", agent_id="a1")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["agent_id"], line["level"]) == ("agent started", "a1", "info")
    assert line["timestamp"].endswith("Z")


def test_a_logger_that_was_used_before_follows_a_new_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True, level="warning")
    log = structlog.get_logger()
    log.info("unheard")
    logs.set_level("info")
    log.info("heard")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["heard"]


def test_a_person_reads_no_key_that_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=False)
    structlog.get_logger().info("search stored", proved=0, undecided="")
    assert "proved" in (text := capsys.readouterr().err)
    assert "undecided" not in text


def test_the_journal_reads_the_level_before_each_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{file.st_dev}:{file.st_ino}")
    logs.configure(json=True, level="debug")
    log = structlog.get_logger()
    for write in (log.debug, log.info, log.warning, log.error, log.exception, log.critical):
        write("said")
    assert [line[:4] for line in capfd.readouterr().err.splitlines()] == [f"<{n}>{{" for n in (7, 6, 4, 3, 3, 2)]


def test_a_stream_that_does_not_lead_to_the_journal_gets_json_alone(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    logs.configure(json=True)
    structlog.get_logger().error("said")
    assert json.loads(capfd.readouterr().err)["level"] == "error"
