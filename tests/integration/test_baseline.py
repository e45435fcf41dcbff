"""Goroutines born before the agent came are counted: live is baseline + created - exited, and equals the truth."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.model import SiteCount

from tests.go_programs import GoProgram, site_line
from tests.integration.watching import Watch, watching
from tests.versions import VERSIONS

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
BUILDS: dict[str, dict[str, Any]] = {"plain": {}, "stripped-pie": {"ldflags": ("-s", "-w"), "buildmode": "pie"}}


def row(watch: Watch, function: str, line: int) -> SiteCount:
    """The newest totals of one go statement."""
    (found,) = [row for row in watch.sites.values() if (row.site.function, row.site.line) == (function, line)]
    return found


def settle(watch: Watch) -> None:
    """Reads and observes until the baselines are known for certain."""
    end = time.monotonic() + 20
    while any(process.baseline.uncertain for process in watch.monitor._processes):
        assert time.monotonic() < end, "the baselines stay uncertain"
        watch.monitor.read_due()
        time.sleep(0.02)
    watch.observe()


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_those_born_before_count(version: str, build: str, go_program: Start) -> None:
    program = go_program("parked", "150", version=version, **BUILDS[build])
    with watching(pid=program.pid) as watch:
        settle(watch)
        idle = row(watch, "main.main", site_line("parked", "idle"))
        assert (idle.baseline, idle.created, idle.exited, idle.live) == (150, 0, 0, 150)
        assert idle.site.start_function == "main.idle"
        program.ask("fewer 30")
        program.ask("more 12")
        watch.observe()
        idle = row(watch, "main.main", site_line("parked", "idle"))
        more = row(watch, "main.more", site_line("parked", "more"))
        assert idle.live + more.live == 150 - 30 + 12
        assert watch.losses["live_mismatch_unexplained"] == watch.losses["baselines_unread"] == 0


def test_a_busy_site_is_exact_too(go_program: Start) -> None:
    program = go_program("leak", "500")
    time.sleep(0.5)
    with watching(pid=program.pid) as watch:
        settle(watch)
        for _ in range(10):
            watch.monitor.read_due()
            time.sleep(0.02)
        before = program.ask("counts")["leak"]["created"]
        watch.observe()
        after = program.ask("counts")["leak"]["created"]
        leak = row(watch, "main.leak", site_line("leak", "leak"))
        assert leak.baseline > 100
        # The probe counts a goroutine before the program does.
        assert before <= leak.live <= after + 1
        healthy = row(watch, "main.healthy", site_line("leak", "healthy"))
        assert 0 <= healthy.live <= 1
        assert watch.losses["live_mismatch_unexplained"] == 0


def test_a_process_that_was_counted_from_its_start_agrees_with_its_memory(go_program: Start) -> None:
    first = go_program("parked", "10")
    executable = Path(f"/proc/{first.pid}/exe").resolve()
    with watching(exe=str(executable)) as watch:
        program = go_program("parked", "80")
        program.ask("fewer 5")
        watch.observe()
        (process,) = [p for p in watch.monitor._processes if p.key.pid == program.pid]
        assert process.description.counted_from_start
        process.baseline.known = False  # has it read at once, as if it were old
        settle(watch)
        assert process.baseline.shown() == []


def test_trace_tells_live_with_those_born_before(go_program: Start) -> None:
    program = go_program("parked", "60")
    gosonde = Path(sys.executable).with_name("gosonde")
    command = [str(gosonde), "trace", "--pid", str(program.pid), "--duration", "1s", "--json"]
    document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (idle,) = [site for site in document["sites"] if site["line"] == site_line("parked", "idle")]
    assert (idle["baseline"], idle["created"], idle["live"]) == (60, 0, 60)
    assert document["totals"]["live"] >= 80
    assert document["lost"]["baselines_unread"] == 0


def test_a_process_whose_memory_makes_no_sense_is_still_counted(go_program: Start) -> None:
    program = go_program("churn")
    with watching(pid=program.pid) as watch:
        scan = watch.monitor.next_reading()
        assert scan is not None
        program.send("run 1")
        program.answer()
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(program.pid)], check=True)
        program.wait()
        scan.run()
        assert scan.error is not None
        watch.monitor.take_reading(scan)
        watch.observe()
        assert watch.losses["baselines_unread"] == 1
        assert watch.counts(program.pid, "main.spawn") == (1, 1)
