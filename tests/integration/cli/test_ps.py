"""`gosonde ps` counts as the programs themselves do, and says what an ordinary user may not see."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests import go_programs
from tests.collector_process import GOSONDE, PATIENCE_S
from tests.go_programs import GoProgram

Start = Callable[..., GoProgram]
#: An ordinary user of every Linux.
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def row_of(pid: int) -> dict[str, Any]:
    rows = json.loads(run(str(GOSONDE), "ps", "--pid", str(pid), "--json").stdout)
    (row,) = rows
    assert isinstance(row, dict)
    return row


def test_goroutines_are_those_of_the_runtime_and_the_rate_is_that_of_the_program(go_program: Start) -> None:
    parked, flow = go_program("parked", "25"), go_program("flow")
    goroutines = parked.ask("more 3")["goroutines"]
    row = row_of(parked.pid)
    assert row["exe"].endswith("/parked")
    assert (row["go_version"], row["can"], row["cannot"]) == ("go1.27.3", ["trace", "read"], {})
    assert row["goroutines"] == goroutines
    assert row["created_per_second"] == 0
    before = flow.ask("status")["created"]
    rate = row_of(flow.pid)["created_per_second"]
    assert rate > 0
    assert flow.ask("status")["created"] > before + rate / 2


def test_a_binary_that_is_not_supported_is_listed_with_the_reason() -> None:
    with GoProgram(go_programs.build("parked", env={"GOARCH": "386"}), "1") as old:
        row = row_of(old.pid)
    assert row["can"] == []
    assert "32-bit" in row["cannot"]["trace"]


@pytest.mark.skipif(run("setpriv", "--version").returncode != 0, reason="there is no setpriv")
def test_an_ordinary_user_is_not_shown_an_empty_host(go_program: Start) -> None:
    program = go_program("parked", "1")
    done = run(*NOBODY, str(GOSONDE), "ps")
    assert done.returncode == 0, done.stderr
    assert str(program.pid) not in done.stdout
    assert re.search(r"this user may not know what [\d,]+ process(es run|  ?runs)", " ".join(done.stdout.split()))
