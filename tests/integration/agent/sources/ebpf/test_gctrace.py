"""What a Go program says of its collections with gctrace=1 is what the probes measured of it."""

from pathlib import Path

import pytest
from gosonde_collector.analysis.gctraces import compare
from gosonde_collector.evidence.gctrace import parse_gctrace
from gosonde_collector.model.values import (
    GcCycle,
    Pause,
    Process,
    ProcessKey,
)

from tests import toolchains
from tests.go_programs import GoProgram, build
from tests.integration.watching import Watch, watching

VERSIONS = (toolchains.VERSIONS[0], toolchains.VERSIONS[3], toolchains.DEFAULT)
CYCLES = 40
#: A machine that is short of time may stretch a stop between the two measurements' ends.
STRETCHED = 4


def measured(watch: Watch, pid: int) -> tuple[Process, list[GcCycle]]:
    """The process and its cycles as the collector knows them."""
    seen = watch.process(pid)
    key = ProcessKey("boot", pid, 0, 0)
    process = Process(key, "", "", "", seen.started_unix_nano, 0, seen.counted_from_start, 0, "full", "")
    pauses = [Pause(p.start_unix_nano, p.duration_ns, p.reason) for p in watch.pauses if p.process.pid == pid]
    cycles = []
    for cycle in (cycle for cycle in watch.cycles if cycle.process.pid == pid):
        start, end = cycle.start_unix_nano, cycle.end_unix_nano
        inside = tuple(p for p in pauses if p.start_unix_nano <= end and p.start_unix_nano + p.duration_ns >= start)
        cycles.append(GcCycle("here", key, "", cycle.ordinal + 1, start, end, inside))
    return process, cycles


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_log_and_the_probes_see_the_same_cycles_and_stops(version: str, tmp_path: Path) -> None:
    executable = build("churn", version)
    log = tmp_path / "stderr"
    with watching(exe=str(executable)) as watch, log.open("wb") as stderr:
        watch.know(executable)
        with GoProgram(executable, env={"GODEBUG": "gctrace=1"}, stderr=stderr) as program:
            program.ask(f"gc {CYCLES}")
            program.ask("memstats")  # waits until the last line is written
            watch.observe()
            pid = program.pid
        watch.observe()
    process, cycles = measured(watch, pid)
    lines = parse_gctrace(log.read_bytes()).lines
    compared = compare(process, lines, cycles)
    assert len(lines) >= CYCLES
    assert compared.agreeing + compared.differing == len(lines)
    assert compared.differing <= STRETCHED, compared
