"""pprof's labels of goroutines are read as the program has set them, with every representation that Go has had."""

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.sources.memory.labels import CUT, MOST_BYTES, MOST_LABELS
from gosonde_agent.sources.memory.target import opened
from gosonde_common.values.goroutines import MORE_LABELS, Goroutine

from tests import toolchains
from tests.go_programs import GoProgram
from tests.paths import ROOT

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


def of_family(program: GoProgram) -> subprocess.CompletedProcess[bytes]:
    command = [GOSONDE, "goroutines", str(program.pid), "--label", "request_id=r-1", "--follow-children", "--json"]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.mark.parametrize("version", [toolchains.VERSIONS[0], toolchains.DEFAULT])
def test_the_command_follows_those_that_a_request_has_created_though_they_have_no_label(
    go_program: Start, version: str
) -> None:
    found = json.loads(of_family(go_program("family", "3", version=version)).stdout)
    starts = {one["goid"]: (one["parent_goid"], one["labels"]) for one in found}
    (request,) = [goid for goid, (_, labels) in starts.items() if labels]
    (child,) = [goid for goid, (parent, _) in starts.items() if parent == request]
    (grandchild,) = [goid for goid, (parent, _) in starts.items() if parent == child]
    assert set(starts) == {request, child, grandchild}
    assert starts[request][1] == {"request_id": "r-1"}


def test_a_program_whose_go_does_not_note_creators_is_refused(go_program: Start) -> None:
    done = of_family(go_program("family", "3", version=toolchains.DEBIAN))
    assert (done.returncode != 0, b"Go 1.21 or newer" in done.stderr) == (True, True)


def test_the_documented_middleware_shows_what_each_request_has_left_behind(go_program: Start) -> None:
    snippet = (ROOT / "docs" / "requests.md").read_text().split("```go\n")[1].split("```")[0]
    assert snippet in (ROOT / "tests" / "fixtures" / "go" / "labels_requests" / "main.go").read_text()
    program = go_program("labels_requests", env={"GODEBUG": "httpmuxgo121=0"})  # go.mod of the fixtures is older
    for number in range(3):
        address = f"http://127.0.0.1:{program.ready['port']}/export"
        asked = urllib.request.Request(address, headers={"X-Request-Id": f"r-{number}"})
        urllib.request.urlopen(asked, timeout=60).close()  # noqa: S310
    command = [GOSONDE, "goroutines", str(program.pid), "--label", "endpoint=/export", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert sorted(one["labels"]["request_id"] for one in found) == ["r-0", "r-1", "r-2"]
    assert {one["created_by"]["function"] for one in found} == {"main.export"}


def test_go_tool_pprof_counts_the_labels_of_a_profile_and_chooses_by_them(go_program: Start, tmp_path: Path) -> None:
    program, file = go_program("tagged", "3", "4"), str(tmp_path / "goroutines.pb.gz")
    subprocess.run([GOSONDE, "goroutines", str(program.pid), "--pprof", file], capture_output=True, check=True)

    def pprof(*flags: str) -> str:
        command = [str(toolchains.go()), "tool", "pprof", *flags, file]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=toolchains.environment()).stdout

    assert {"endpoint:", "/export", "request_id:", "r-2"} <= set(pprof("-tags").split())
    assert "accounting for 2, " in pprof("-top", "-tagfocus=request_id=r-1")
