"""`gosonde trace --perfetto`: its file says by Perfetto's own schema what the program did."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from gosonde_cli.perfetto.trace import encoded

from tests import timelines
from tests.go_programs import GoProgram
from tests.timelines import Track, read

GOSONDE = str(Path(sys.executable).parent / "gosonde")
PATIENCE_S = 240
CHANNELS = ("waiting: chan receive", "waiting: chan send")


def gosonde(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOSONDE, "trace", *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def written(program: GoProgram, *commands: str) -> tuple[dict[str, Track], list[dict[str, int]]]:
    seen, timeline, answers = timelines.traced(program, *commands)
    return read(b"".join(encoded(seen, timeline))), answers


def of_function(tracks: dict[str, Track], function: str) -> list[Track]:
    return [track for title, track in tracks.items() if title.startswith("g ") and title.endswith(f" {function}")]


@pytest.mark.usefixtures("ebpf")
def test_the_file_shows_waits_births_ends_and_gc_cycles_as_often_as_the_program_says(
    go_program: Callable[..., GoProgram],
) -> None:
    tracks, answers = written(go_program("timeline"), "rally 200", "nap 20", "born 100", "gc 3")
    pair = of_function(tracks, "main.rally") + of_function(tracks, "main.serve")
    assert 400 <= sum(one.name in CHANNELS for track in pair for one in track.slices) <= 401
    (nap,) = of_function(tracks, "main.nap")
    assert sum(one.name == "waiting: sleep" for one in nap.slices) == 20
    assert len(of_function(tracks, "main.end")) == 100
    cycles = [one for one in tracks["GC"].slices if one.name == "GC cycle"]
    assert len(cycles) == answers[3]["cycles"]
    assert sum(one.name == "mark" for one in tracks["GC"].slices) == len(cycles)
    stops = [one.name for one in tracks["stops of the world"].slices]
    assert stops.count("GC sweep termination") == stops.count("GC mark termination") == len(cycles)
    # Two goroutines of the program, and those of the runtime, which begins some for the first cycle.
    (first, *_, last) = [live for _, live in tracks["goroutines"].counts]
    assert first <= last < first + 20


@pytest.mark.usefixtures("ebpf")
def test_arrows_lead_from_who_wakes_to_who_is_woken(go_program: Callable[..., GoProgram]) -> None:
    tracks, _ = written(go_program("timeline"), "rally 50")
    begun = {flow: title for title, track in tracks.items() for one in track.slices for flow in one.flows_out}
    ended = {flow: (title, one) for title, track in tracks.items() for one in track.slices for flow in one.flows_in}
    assert begun.keys() == ended.keys()
    pairs = [(begun[flow].split()[-1], title.split()[-1]) for flow, (title, _) in ended.items()]
    assert pairs.count(("main.rally", "main.serve")) >= 50
    assert all(one.name == "runnable" for _, one in ended.values())


@pytest.mark.usefixtures("ebpf")
def test_states_of_a_goroutine_follow_each_other_and_lie_in_the_window(go_program: Callable[..., GoProgram]) -> None:
    tracks, _ = written(go_program("timeline"), "rally 20", "gc 2")
    (window,) = tracks["gosonde: the window"].slices
    assert window.notes["changes"] > 40
    assert window.notes["changes lost"] == 0
    for title, track in tracks.items():
        states = [one for one in track.slices if one.depth == 0]
        assert all(window.begin <= one.begin <= one.end <= window.end for one in states), title
        if title.startswith("g "):
            assert all(before.end == after.begin for before, after in pairwise(states)), title


@pytest.mark.usefixtures("ebpf")
def test_the_command_writes_the_file_and_says_what_is_in_it(
    go_program: Callable[..., GoProgram], tmp_path: Path
) -> None:
    program, path = go_program("timeline"), tmp_path / "orders.pftrace"
    done = gosonde(str(program.pid), "--duration", "1s", "--perfetto", str(path), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["timeline"]
    assert said["file"] == str(path)
    assert said["file_bytes"] == path.stat().st_size
    assert (said["lost"], said["ended_because"], said["not_read"]) == (0, "the time was over", "")
    assert said["window_ns"] > 0
    titles = read(path.read_bytes()).keys()
    assert said["goroutines"] == sum(title.startswith("g ") for title in titles) > 2


@pytest.mark.usefixtures("ebpf")
def test_people_are_told_the_same(go_program: Callable[..., GoProgram], tmp_path: Path) -> None:
    program, path = go_program("timeline"), tmp_path / "orders.pftrace"
    done = gosonde(str(program.pid), "--duration", "1s", "--perfetto", str(path))
    assert done.returncode == 0, done.stderr
    assert f"timeline {path}: " in done.stdout
    assert "ended because the time was over" in done.stdout


@pytest.mark.parametrize(("name", "why"), [("", "it is a folder"), ("none/file", "there is no folder")])
def test_a_file_that_cannot_be_written_is_refused_before_the_trace(tmp_path: Path, name: str, why: str) -> None:
    done = gosonde("1", "--perfetto", str(tmp_path / name))
    assert done.returncode == 2
    assert why in done.stderr


def test_a_source_without_events_is_refused(go_program: Callable[..., GoProgram], tmp_path: Path) -> None:
    program = go_program("timeline")
    done = gosonde(str(program.pid), "--source", "memory", "--perfetto", str(tmp_path / "file"))
    assert done.returncode != 0
    assert "a timeline needs the source ebpf; this is memory" in done.stderr
    assert not (tmp_path / "file").exists()
