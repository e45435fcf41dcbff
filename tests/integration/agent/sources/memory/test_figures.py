"""What is read from outside equals what the program's own runtime/metrics says."""

import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import pytest
from gosonde_agent.sources.memory.target import opened
from gosonde_common.values.runtime import SCHEDULE_BOUNDS_NS, UNLIMITED, RuntimeFigures

from tests.go_programs import GoProgram
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]

BUILDS: dict[str, dict[str, Any]] = {"plain": {}, "stripped-pie": {"ldflags": ("-s", "-w"), "buildmode": "pie"}}
MIB = 1 << 20
#: What a metric of runtime/metrics is called here; older versions do not have all.
NAMES = {
    "/sched/goroutines:goroutines": "goroutines",
    "/memory/classes/heap/stacks:bytes": "stack_bytes",
    "/gc/heap/allocs:bytes": "allocated_bytes",
    "/gc/heap/allocs:objects": "allocations",
    "/gc/heap/goal:bytes": "gc_goal_bytes",
    "/gc/cycles/total:gc-cycles": "gc_cycles",
    "/sched/gomaxprocs:threads": "processors",
    "/gc/gomemlimit:bytes": "memory_limit_bytes",
    "/gc/gogc:percent": "gogc_percent",
}


def read(program: GoProgram) -> RuntimeFigures:
    """The figures of a program."""
    with opened(program.pid) as target:
        return target.figures_reader().read(target.runtime.memory)


def both(program: GoProgram) -> tuple[RuntimeFigures, dict[str, int]]:
    """The figures, and what the program says, at a moment when nothing changed."""
    deadline = time.monotonic() + 60
    while True:
        before, said, after = read(program), program.ask("read"), read(program)
        if _values(before) == _values(after):
            return after, said
        assert time.monotonic() < deadline, f"{before} never stays: {after}"


def _values(figures: RuntimeFigures) -> dict[str, int | None]:
    return {name: getattr(figures, name) for name in (*NAMES.values(), "other_bytes", "gc_pause_ns")}


def check(program: GoProgram) -> RuntimeFigures:
    """The figures, which are what the program says."""
    found, said = both(program)
    known = {name: said[metric] for metric, name in NAMES.items() if metric in said}
    used = said["/memory/classes/total:bytes"] - said["/memory/classes/heap/released:bytes"]
    known["other_bytes"] = used - said["/memory/classes/heap/stacks:bytes"]
    if known.get("memory_limit_bytes") == (1 << 63) - 1:
        known["memory_limit_bytes"] = UNLIMITED
    if known.get("gogc_percent") == (1 << 64) - 1:
        known["gogc_percent"] = UNLIMITED
    if known["gc_goal_bytes"] >= 1 << 48:
        del known["gc_goal_bytes"]
        assert found.gc_goal_bytes is None
    assert {name: getattr(found, name) for name in known} == known
    return found


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_figure_is_what_runtime_metrics_says(version: str, build: str, go_program: Start) -> None:
    program = go_program("metrics", version=version, env={"GOMAXPROCS": "3"}, **BUILDS[build])
    first = check(program)
    assert (first.processors, first.gogc_percent, first.memory_limit_bytes) == (3, 100, UNLIMITED)
    program.ask("spawn 700")
    program.ask("fill 3000 20000")
    program.ask("collect")
    second = check(program)
    assert (second.goroutines or 0) >= (first.goroutines or 0) + 700
    assert (second.stack_bytes or 0) > (first.stack_bytes or 0)
    assert (second.other_bytes or 0) > (first.other_bytes or 0) + 3_000 * 20_000
    assert (second.allocations or 0) >= (first.allocations or 0) + 6_000
    program.ask(f"limits 30 {200 * MIB} 2")
    third = check(program)
    assert (third.processors, third.gogc_percent, third.memory_limit_bytes) == (2, 30, 200 * MIB)
    program.ask(f"limits 400 {90 * MIB} 2")
    assert (check(program).gc_goal_bytes or 0) < 90 * MIB  # by the limit alone
    found = read(program)
    assert found.gc_pause_ns is not None
    assert found.gc_pause_ns <= program.ask("memstats")["PauseTotalNs"]
    assert time.time_ns() - found.read_unix_nano < 60_000_000_000


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_off_is_said_to_be_off_and_limits_no_heap(version: str, go_program: Start) -> None:
    program = go_program("metrics", version=version, env={"GOGC": "off"})
    program.ask("fill 1000 20000")
    found = check(program)
    assert (found.gogc_percent, found.memory_limit_bytes, found.gc_goal_bytes) == (UNLIMITED, UNLIMITED, None)


@pytest.mark.parametrize("version", VERSIONS)
def test_waits_until_goroutines_run_are_what_runtime_metrics_says(version: str, go_program: Start) -> None:
    program = go_program("metrics", version=version, env={"GOMAXPROCS": "2"})
    program.ask("spawn 3000")
    deadline = time.monotonic() + 60
    while True:
        before, said, after = read(program), program.ask("latencies"), read(program)
        if before.schedule_durations == after.schedule_durations:
            break
        assert time.monotonic() < deadline, f"{before} never stays: {after}"
    wanted = [0] * (len(SCHEDULE_BOUNDS_NS) + 1)
    ends = [round(bound * 1e9) for bound in said["bounds"]]
    for index, count in enumerate(said["counts"]):
        wanted[bisect_left(SCHEDULE_BOUNDS_NS, ends[index]) if index < len(ends) else -1] += count
    assert sum(wanted) > 100
    assert list(after.schedule_durations or ()) == wanted
