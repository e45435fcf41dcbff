"""The GC figures that are read from outside equal what the runtime prints and returns."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.sources.memory.target import opened

from tests import go_programs
from tests.go_programs import GoProgram
from tests.versions import VERSIONS


@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_cycles_line_equals_gctraces(version: str, stripped: bool, tmp_path: Path) -> None:
    flags = ("-s", "-w") if stripped else ()
    executable = go_programs.build("parked", version, ldflags=flags, buildmode="pie" if stripped else "exe")
    trace = tmp_path / "stderr"
    lines = []
    with (
        trace.open("wb") as stderr,
        GoProgram(executable, "100", env={"GODEBUG": "gctrace=1"}, stderr=stderr) as program,
    ):
        for _ in range(12):
            program.ask("gc 1")
            with opened(program.pid) as target:
                last = target.gc().last
            assert last is not None
            lines.append(last.gctrace())
        program.ask("memstats")  # waits until the last line is written
    printed = [line for line in trace.read_text().splitlines() if re.match(r"gc \d+ @", line)]
    assert [line for line in printed if line in lines] == printed
    assert lines == printed


@pytest.mark.parametrize("version", VERSIONS)
def test_pauses_and_totals_equal_memstats(version: str, go_program: Callable[..., GoProgram]) -> None:
    program = go_program("parked", "10", version=version)
    program.ask("gc 300")
    with opened(program.pid) as target:
        figures = target.gc()
    stats = program.ask("memstats")
    assert (figures.cycles, figures.forced_cycles) == (stats["NumGC"], stats["NumForcedGC"])
    assert figures.pause_total_ns == stats["PauseTotalNs"]
    assert len(figures.pauses) == 256
    for pause in figures.pauses:
        at = (pause.cycle + 255) % 256
        assert (pause.duration_ns, pause.end_unix_nano) == (stats["PauseNs"][at], stats["PauseEnd"][at])
    assert [pause.end_unix_nano for pause in figures.pauses] == sorted(p.end_unix_nano for p in figures.pauses)
    assert 0 < figures.pauses[-1].end_unix_nano < time.time_ns()


def test_limits_are_told(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("parked", "10")
    with opened(program.pid) as target:
        before = target.gc()
        program.ask("limits 250 104857600")
        after = target.gc()
    assert (before.gc_percent, before.memory_limit_bytes) == (100, -1)
    assert (after.gc_percent, after.memory_limit_bytes) == (250, 104_857_600)
    assert 0 < before.heap_live_bytes < before.heap_goal_bytes
