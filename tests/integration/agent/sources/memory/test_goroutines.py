"""What is read of goroutines from outside equals what the program says of itself."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.sources.memory.target import KnownBinaries, Target, opened
from gosonde_agent.sources.memory.totals import GoroutineTotals
from gosonde_common.values.goroutines import Goroutine

from tests import toolchains
from tests.go_programs import GoProgram, site_line
from tests.integration.goroutine_profiles import pprof_stacks, read_stacks, without_main
from tests.paths import FIXTURES
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]

BUILDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stripped-pie": {"ldflags": ("-s", "-w"), "buildmode": "pie"},
}
KEYS = "goid status wait_reason wait_ns created_by start_function parent_goid thread_id locked system active"
ONLY_OF_STOPS = ("stack_from", "cause", "because")
GOSONDE = str(Path(sys.executable).with_name("gosonde"))


def gosonde(*args: str) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    return subprocess.run([GOSONDE, *args], capture_output=True, text=True, check=False)


def read(program: GoProgram) -> list[Goroutine]:
    """All goroutines of a program."""
    with opened(program.pid) as target:
        return list(target.goroutines())


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_parked_stack_equals_pprofs(version: str, build: str, go_program: Start, tmp_path: Path) -> None:
    program = go_program("parked", "200", version=version, **BUILDS[build])
    program.ask(f"profile {tmp_path / 'goroutines.pb.gz'} 0")
    expected = without_main(pprof_stacks(tmp_path / "goroutines.pb.gz"))
    found = without_main(read_stacks(read(program), int(version.split(".")[1])))
    assert sum(expected.values()) > 220
    assert found == expected


def test_states_and_reasons_equal_the_traceback(go_program: Start, tmp_path: Path) -> None:
    program = go_program("parked", "3")
    program.ask(f"profile {tmp_path / 'goroutines.txt'} 2")
    blocks = (tmp_path / "goroutines.txt").read_text().strip().split("\n\n")
    headers = [block.splitlines()[0] for block in blocks]
    expected = Counter(header.split("[")[1].split("]")[0].replace(", locked to thread", "") for header in headers)
    found = Counter(g.wait_reason or g.status for g in read(program) if not g.system)
    # The main goroutine writes the traceback, and then reads its next command.
    assert found - Counter({"syscall": 1}) == expected - Counter({"running": 1})
    locked = [g for g in read(program) if g.locked and not g.system]
    assert len(locked) == sum("locked to thread" in header for header in headers)


def test_a_goroutine_is_told_with_where_it_came_from(go_program: Start) -> None:
    program = go_program("parked", "2")
    idle = [g for g in read(program) if g.start_function == "main.idle"]
    assert len(idle) == 2
    for goroutine in idle:
        assert goroutine.created_by.function == "main.main"
        assert goroutine.created_by.line == site_line("parked", "idle")
        assert goroutine.parent_goid == 1
        assert goroutine.status == "waiting"
        assert not goroutine.active
        assert goroutine.complete
    (main,) = [g for g in read(program) if g.goid == 1]
    assert main.status == "syscall"
    assert main.thread_id in [int(task.name) for task in Path(f"/proc/{program.pid}/task").iterdir()]


def test_age_is_known_after_a_collection(go_program: Start) -> None:
    program = go_program("parked", "2")
    assert all(g.wait_ns is None for g in read(program) if g.start_function == "main.idle")
    program.ask("gc 3")
    ages = [g.wait_ns for g in read(program) if g.start_function == "main.idle"]
    assert all(age is not None and age > 0 for age in ages)


def test_what_runs_is_active_and_has_no_guessed_stack(go_program: Start) -> None:
    program = go_program("load")
    seen = [goroutine for _ in range(20) for goroutine in read(program)]
    active = [goroutine for goroutine in seen if goroutine.active]
    assert active
    assert all(not goroutine.stack and not goroutine.complete for goroutine in active)
    assert all(goroutine.active for goroutine in seen if goroutine.status == "running")
    assert all(goroutine.complete for goroutine in seen if not goroutine.active)


def test_a_binary_is_searched_once_and_every_process_of_it_proved(go_program: Start) -> None:
    known = KnownBinaries()
    first, second = (go_program("parked", "5", **BUILDS["stripped-pie"]) for _ in range(2))
    with opened(first.pid, known) as target:
        assert target.runtime.addresses.by == "instructions"
        first_bias = target.runtime.bias
    with opened(second.pid, known) as target:
        assert target.runtime.bias != first_bias
        assert sum(g.start_function == "main.idle" for g in target.goroutines()) == 5


def at_rest(target: Target) -> tuple[GoroutineTotals, int]:
    """(totals, goroutines in the list), read while nothing began or ended."""
    for _ in range(100):
        before = target.totals()
        live = sum(1 for _ in target.goroutines())
        if target.totals() == before:
            return before, live
        time.sleep(0.02)
    pytest.fail("goroutines begin and end all the time")


@pytest.mark.parametrize("version", ["1.19.8", "1.24.11", "1.27.3"])
def test_totals_that_are_read_while_goroutines_are_made_lie_between_those_before_and_after(
    go_program: Start, version: str
) -> None:
    program = go_program("churn", version=version)
    with opened(program.pid) as target:
        seen = [target.totals().created]
        with ThreadPoolExecutor(1) as asking:
            running = asking.submit(program.ask, "run 300000")
            while not running.done():
                seen.append(target.totals().created)
        seen.append(target.totals().created)
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] >= 300_000


def test_totals_equal_what_the_program_did(go_program: Start) -> None:
    program = go_program("parked", "0")
    with opened(program.pid) as target:
        before = target.totals()
        made = program.ask("spin 200")["created"]
        after, live = at_rest(target)
    # The runtime may have started goroutines of its own meanwhile, for its collections; those stay.
    assert after.created - before.created == made + after.live - before.live
    assert after.exited - before.exited == made
    assert after.live == live


def test_json_names_every_goroutine(go_program: Start) -> None:
    program = go_program("parked", "4")
    done = gosonde("goroutines", str(program.pid), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert sum(row["start_function"] == "main.idle" for row in document) == 4
    assert {frozenset(row) for row in document} == {
        frozenset([*KEYS.split(), "labels", "unread", "complete", "stack", *ONLY_OF_STOPS])
    }
    assert [frame["function"] for row in document if row["goid"] == 1 for frame in row["stack"]][-1] == "runtime.main"


def test_what_is_printed_of_goroutines_in_many_stacks_is_what_each_one_has(go_program: Start) -> None:
    program = go_program("stacks", "9000", "300")
    rows = json.loads(gosonde("goroutines", str(program.pid), "--json").stdout)
    printed = {row["goid"]: row["stack"] for row in rows}
    seen = {goroutine.goid: [asdict(frame) for frame in goroutine.stack] for goroutine in read(program)}
    waiting = {goid for goid, stack in seen.items() if any(frame["function"] == "main.onward" for frame in stack)}
    assert len(waiting) == 9_000
    assert [printed[goid] for goid in waiting] == [seen[goid] for goid in waiting]
    assert len({json.dumps(seen[goid]) for goid in waiting}) == 300
    grouped = gosonde("goroutines", str(program.pid), "--limit", "0").stdout
    assert grouped.count("\n30 @ chan receive\n") == 300


def test_text_is_grouped_or_one_by_one(go_program: Start) -> None:
    program = go_program("parked", "7")
    grouped = gosonde("goroutines", str(program.pid), "--wide").stdout
    assert "7 @ chan receive\n" in grouped
    assert f"# created by main.main\t{FIXTURES}/go/parked/main.go" in grouped
    each = gosonde("goroutines", str(program.pid), "--each").stdout
    assert each.count("main.idle(...)") == 7
    assert each.count("created by main.main in goroutine 1") >= 7


def test_go_tool_pprof_opens_the_profile(go_program: Start, tmp_path: Path) -> None:
    program = go_program("parked", "30")
    file = tmp_path / "goroutines.pb.gz"
    done = gosonde("goroutines", str(program.pid), "--pprof", str(file))
    assert done.returncode == 0, done.stderr

    def pprof(*args: str) -> str:
        command = [str(toolchains.go()), "tool", "pprof", *args, str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=toolchains.environment()).stdout

    assert "30" in next(line for line in pprof("-top", "-cum").splitlines() if line.endswith("main.idle"))
    tags = pprof("-tags")
    for expected in ("wait_reason:", "chan receive", "state:", "waiting", f"main.go:{site_line('parked', 'idle')}"):
        assert expected in tags


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        done = gosonde("goroutines", str(sleeper.pid))
    finally:
        sleeper.kill()
        sleeper.wait()
    assert done.returncode == 3
    assert "not a Go binary" in done.stderr
    gone = gosonde("goroutines", str(sleeper.pid))
    assert gone.returncode == 1
    assert "there is no process" in gone.stderr
    wrong = gosonde("goroutines", "1", "--json", "--pprof", str(tmp_path / "x"))
    assert wrong.returncode == 2
