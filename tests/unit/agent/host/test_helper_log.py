"""The helper's log is like its agent's: JSON for programs, lines for people."""

import json
import os
import re

import pytest
from gosonde_agent.host.helper_log import HelperLog


def test_a_program_reads_json_with_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    HelperLog(json=True).write("helper ready", "info", capabilities=["CAP_BPF"])
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["capabilities"]) == ("helper ready", "info", ["CAP_BPF"])


def test_a_person_reads_a_line_like_the_agents_in_which_nothing_moves_the_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    HelperLog(json=False).write("a request was refused", "warning", reason="\x1b[2Jno", refused=2)
    line = capsys.readouterr().err
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[warning  \] a request was refused {2,}reason=\S*no refused=2$", line)
    assert "\x1b" not in line


def test_the_journal_reads_the_level_before_a_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{file.st_dev}:{file.st_ino}")
    HelperLog(json=True).write("a request was refused", "warning")
    assert capfd.readouterr().err.startswith('<4>{"')
