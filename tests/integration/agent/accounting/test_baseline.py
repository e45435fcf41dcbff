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
from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.accounting.totals_check import CREATED, EXITED
from gosonde_agent.model.losses import MEMORY_LOSSES
from gosonde_agent.sources.counters import Image
from gosonde_agent.watch.plans import Plan
from gosonde_common.values.observation import SiteCount

from tests.go_programs import GoProgram, site_line
from tests.integration.watching import Watch, watching
from tests.versions import VERSIONS

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
BUILDS: dict[str, dict[str, Any]] = {"plain": {}, "stripped-pie": {"ldflags": ("-s", "-w"), "buildmode": "pie"}}

CGO: dict[str, Any] = {"flags": ("-tags=withcgo",), "env": {"CGO_ENABLED": "1"}}


def row(watch: Watch, function: str, line: int) -> SiteCount:
    """The newest totals of one go statement."""
    (found,) = [row for row in watch.sites.values() if (row.site.function, row.site.line) == (function, line)]
    return found


def settle(watch: Watch) -> None:
    """Reads and observes until the baselines are known for certain."""
    end = time.monotonic() + 20
    while any(process.baseline.uncertain for process in watch.monitor.processes):
        assert time.monotonic() < end, "the baselines stay uncertain"
        watch.monitor.readings.read_due()
        for plan in watch.monitor.readings.reconciler.plans.values():
            plan.due = 0.0  # on a busy machine the visits that follow each other at once may all be too slow
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
            watch.monitor.readings.read_due()
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
        (process,) = [p for p in watch.monitor.processes if p.key.pid == program.pid]
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
        scan = watch.monitor.readings.next()
        assert scan is not None
        program.send("run 1")
        program.answer()
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(program.pid)], check=True)
        program.wait()
        scan.run()
        assert scan.error is not None
        watch.monitor.readings.take(scan)
        watch.observe()
        assert watch.losses["baselines_unread"] == 1
        assert watch.counts(program.pid, "main.spawn") == (1, 1)


def image_of(watch: Watch, pid: int) -> tuple[Image, GoProcess]:
    """How the kernel side names a process."""
    (process,) = [process for process in watch.monitor.processes if process.key.pid == pid]
    assert process.image is not None
    return process.image, process


@pytest.mark.parametrize(("version", "build"), [*((version, {}) for version in VERSIONS), (VERSIONS[-1], CGO)])
def test_the_runtimes_own_totals_agree_with_the_events(version: str, build: dict[str, Any], go_program: Start) -> None:
    first = go_program("churn", version=version, **build)
    executable = Path(f"/proc/{first.pid}/exe").resolve()
    with watching(exe=str(executable)) as watch:
        program = go_program("churn", version=version, **build)
        watch.observe()
        _, process = image_of(watch, program.pid)
        assert process.description.counted_from_start
        for count in (20_000, 1, 3_000):
            program.ask(f"run {count}")
            read_again(watch)
        watch.observe()
        assert process.totals.earlier[CREATED].mismatch == process.totals.earlier[EXITED].mismatch == 0
        assert process.totals.earlier[CREATED].low == process.totals.earlier[CREATED].high
        assert not any(watch.losses[name] for name in MEMORY_LOSSES)


def test_events_that_were_lost_alike_are_seen_by_the_runtimes_totals(go_program: Start) -> None:
    program = go_program("churn")
    with watching(pid=program.pid) as watch:
        settle(watch)
        program.ask("run 500")
        read_again(watch)
        image, _ = image_of(watch, program.pid)
        assert [total.created for total in watch.monitor.source.counters().sites[image]].count(500) == 1
        watch.monitor.source.forget([image])  # as if the kernel had no room for them
        read_again(watch)
        watch.observe()
        assert watch.losses["live_mismatch_unexplained"] == watch.losses["live_mismatch_events_lost"] == 0
        assert (watch.losses[CREATED], watch.losses[EXITED]) == (500, 500)


def test_creations_that_were_lost_show_at_their_site(go_program: Start) -> None:
    program = go_program("parked", "10")
    with watching(pid=program.pid) as watch:
        settle(watch)
        program.ask("more 40")
        read_again(watch)
        image, _ = image_of(watch, program.pid)
        assert [total.created for total in watch.monitor.source.counters().sites[image]].count(40) == 1
        watch.monitor.source.forget([image])
        read_again(watch)
        program.ask("more 3")
        watch.observe()
        more = row(watch, "main.more", site_line("parked", "more"))
        assert (more.mismatch, more.created, more.live) == (40, 3, 3)
        assert watch.losses["live_mismatch_unexplained"] == watch.losses[CREATED] == 40


def read_again(watch: Watch) -> None:
    """One more visit to the memory of every process, as if it were due."""
    reconciler = watch.monitor.readings.reconciler
    reconciler.seconds = 0.000_1
    for plan in reconciler.plans.values():
        plan.due = plan.rested = 0.0
    for process in watch.monitor.processes:
        if process.image is not None:
            reconciler.plans.setdefault(process.image, Plan(0.0))
    scans = 0
    while scans < len(reconciler.plans) and (scan := watch.monitor.readings.next()):
        scan.run()
        assert scan.error is None
        watch.monitor.readings.take(scan)
        scans += 1
