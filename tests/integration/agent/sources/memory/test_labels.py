"""pprof's labels of goroutines are read as the program has set them, with every representation that Go has had."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.sources.memory.labels import CUT, MOST_BYTES, MOST_LABELS
from gosonde_agent.sources.memory.target import opened
from gosonde_common.values.goroutines import MORE_LABELS, Goroutine

from tests import toolchains
from tests.go_programs import GoProgram

Start = Callable[..., GoProgram]
REQUESTS, MANY = 40, 30
GOSONDE = str(Path(sys.executable).with_name("gosonde"))


def outermost(goroutine: Goroutine) -> str:
    """The first function of the program that it runs: wrappers around it have names of their own."""
    own = [
        call.function
        for call in goroutine.stack
        if ".gowrap" not in call.function and ".main.func" not in call.function
    ]
    return own[-1] if own else ""


@pytest.mark.parametrize("version", toolchains.VERSIONS)
def test_each_goroutine_has_the_labels_that_it_was_given_and_so_has_what_it_starts(
    go_program: Start, version: str
) -> None:
    with opened(go_program("tagged", str(REQUESTS), "12", version=version).pid) as target:
        found = [(outermost(one), one.labels) for one in target.goroutines()]
    requests = {(("endpoint", "/export"), ("request_id", f"r-{number}")) for number in range(REQUESTS)}
    assert {labels for start, labels in found if start == "main.request"} == requests
    inherited = Counter(labels for start, labels in found if start == "main.wait")
    assert inherited == Counter([*requests, ()])
    (many,) = [labels for start, labels in found if start == "main.many"]
    assert many == tuple((f"k{number:02}", f"v{number}") for number in range(12))
    assert not any(labels for start, labels in found if start in ("main.main", "runtime.forcegchelper"))


@pytest.mark.parametrize("version", ["1.23.9", toolchains.DEFAULT])
def test_of_many_and_long_labels_it_is_said_that_some_are_left_out(go_program: Start, version: str) -> None:
    with opened(go_program("tagged", "1", str(MANY), version=version).pid) as target:
        found = {outermost(one): one.labels for one in target.goroutines()}
    many, ((key, value),) = dict(found["main.many"]), found["main.long"]
    assert many.pop(MORE_LABELS) == f"{MANY - MOST_LABELS} more"
    assert len(many) == MOST_LABELS
    assert many.items() <= {f"k{number:02}": f"v{number}" for number in range(MANY)}.items()
    assert (key, value) == ("path", "é" * (MOST_BYTES // 2) + CUT)


@pytest.mark.parametrize("version", ["1.23.9", toolchains.DEFAULT])
def test_labels_that_change_meanwhile_are_never_mixed(go_program: Start, version: str) -> None:
    seen = set()
    with opened(go_program("tagged", "1", "4", version=version).pid) as target:
        for _ in range(300):
            seen |= {one.labels for one in target.goroutines() if one.start_function == "main.change"}
    assert all(not labels or dict(labels) == {"turn": labels[0][1], "again": labels[0][1]} for labels in seen)


def test_the_command_finds_the_goroutines_of_one_request_and_prints_labels_as_go_does(go_program: Start) -> None:
    program = go_program("tagged", "3", "4")
    command = [GOSONDE, "goroutines", str(program.pid), "--label", "request_id=r-1"]
    found = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert [one["labels"] for one in found] == [{"endpoint": "/export", "request_id": "r-1"}] * 2
    text = subprocess.run([*command, "--each"], capture_output=True, text=True, check=True).stdout
    assert text.count('] {endpoint: /export, request_id: "r-1"}:\n') == 2
    shown = subprocess.run([GOSONDE, "pprof", "show", "-"], input=text, capture_output=True, text=True, check=True)
    assert "2 goroutines" in shown.stdout
