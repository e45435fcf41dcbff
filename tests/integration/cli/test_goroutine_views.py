"""`gosonde goroutines` on a real program: pictures and rows show as many goroutines as the program has."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.go_programs import GoProgram, build
from tests.paths import ROOT
from tests.speedscope import check_format

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
SVG = "{http://www.w3.org/2000/svg}"
RECEIVERS = 50


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    with GoProgram(build("parked"), str(RECEIVERS)) as program:
        yield program.pid


def run(pid: int, *options: str | Path, code: int = 0) -> str:
    done = subprocess.run([GOSONDE, "goroutines", str(pid), *options], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def read(pid: int, *options: str) -> list[dict[str, Any]]:
    return [row for row in json.loads(run(pid, "--json", *options)) if not row["system"]]


def outermost(row: dict[str, Any]) -> str:
    calls = [call["function"] for call in row["stack"] if not call["function"].startswith("runtime.")]
    return str((calls or [row["stack"][-1]["function"]])[-1])


def test_a_flame_graph_has_the_goroutines_of_each_outermost_call(pid: int, tmp_path: Path) -> None:
    rows = [row for row in read(pid) if row["stack"]]
    run(pid, "--svg", tmp_path / "it.svg")
    root = ET.parse(tmp_path / "it.svg").getroot()  # noqa: S314 - written here
    calls = [call for call in root.iter(f"{SVG}g") if call.get("class") == "call"]
    widths = {call.attrib["data-name"]: call.find(f"{SVG}rect") for call in calls if call.get("data-depth") == "1"}
    total = int(calls[0].attrib["data-goroutines"])
    whole = calls[0].find(f"{SVG}rect")
    assert whole is not None
    shares = {
        name: round(float(rect.attrib["width"]) / float(whole.attrib["width"]) * total)
        for name, rect in widths.items()
        if rect is not None
    }
    assert shares == Counter(map(outermost, rows))
    assert shares["main.idle"] == RECEIVERS


def test_speedscope_gets_every_goroutine(pid: int, tmp_path: Path) -> None:
    run(pid, "--speedscope", tmp_path / "it.json", "--by", "state")
    written = json.loads((tmp_path / "it.json").read_text())
    check_format(written)
    (profile,) = written["profiles"]
    frames = [frame["name"] for frame in written["shared"]["frames"]]
    states: Counter[str] = Counter()
    for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
        states[frames[sample[0]]] += weight
    assert states == Counter(row["wait_reason"] or row["status"] for row in read(pid))


def test_filters_choose_the_same_goroutines_in_every_form(pid: int, tmp_path: Path) -> None:
    filters = ("--focus", r"main\.idle$", "--state", "chan")
    assert len(read(pid, *filters)) == RECEIVERS
    assert run(pid, *filters).startswith(f"goroutine profile: total {RECEIVERS}, ")
    assert run(pid, "--each", *filters).count("goroutine ") >= RECEIVERS
    assert run(pid, "--by", "site", *filters).splitlines()[1].split()[0] == str(RECEIVERS)
    run(pid, "--svg", tmp_path / "it.svg", *filters)
    assert f'data-total="{RECEIVERS}"' in (tmp_path / "it.svg").read_text()


def test_calls_of_the_runtime_are_shown_when_they_are_asked_for(pid: int) -> None:
    assert "runtime.gopark" not in run(pid, "--state", "chan receive")
    assert "runtime.gopark" in run(pid, "--state", "chan receive", "--runtime")


def test_options_that_say_nothing_together_are_refused(pid: int, tmp_path: Path) -> None:
    assert "exclude each other" in run(pid, "--each", "--watch", code=2)
    assert "--pprof writes all goroutines" in run(pid, "--pprof", tmp_path / "it", "--focus", "main", code=2)
    assert "no such file" in run(pid, "--svg", tmp_path / "none" / "it", code=2).lower()
