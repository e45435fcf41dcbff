"""Pending timers are those that a program says it has made, with every heap of timers that Go has had."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.sources.memory.timers.listing import read_timers
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind

from tests import toolchains
from tests.go_programs import GoProgram

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
COUNT, HOUR_NS = 12, 3_600_000_000_000
STRIPPED: dict[str, Any] = {"buildmode": "pie", "ldflags": ("-s", "-w")}
#: Where go.mod names an older version, timers of channels are in heaps up to Go 1.26 unless it is asked for.
OWN_CHANNELS = {"GODEBUG": "asynctimerchan=0"}
#: What each kind of deadline calls.
DEADLINES = ("runtime.netpollReadDeadline", "runtime.netpollWriteDeadline", "runtime.netpollDeadline")
every_version = pytest.mark.parametrize("version", toolchains.ALL_VERSIONS)
stripped_or_not = pytest.mark.parametrize("build", [{}, STRIPPED], ids=["with symbols", "stripped PIE"])


def read(program: GoProgram) -> PendingTimers:
    with opened(program.pid) as target:
        return read_timers(target)


def own(found: PendingTimers) -> list[TimerGroup]:
    """Without the timer of the goroutine that gives memory back, which the runtime starts now and then."""
    return [group for group in found.groups if not group.callback.startswith("runtime.(*scavengerState)")]


def minor(version: str) -> int:
    return int(version.split(".")[1])


def hours(group: TimerGroup) -> int:
    """Until the first is due, in whole hours."""
    return -(-group.next_in_ns // HOUR_NS)


@every_version
@stripped_or_not
def test_functions_that_run_later_are_as_many_as_were_started_and_not_stopped(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("timed/callbacks", str(COUNT), version=version, **build)
    found = read(program)
    assert {group.callback: group.pending for group in own(found)} == {
        "main.closure.func1": program.ready["closures"],
        "main.remind": program.ready["functions"],
        "main.(*session).expire-fm": program.ready["methods"],
    }
    assert {(group.kind, group.waits_in, group.period_ns) for group in own(found)} == {(TimerKind.FUNC, "", None)}
    due = {group.callback: group.next_in_ns for group in own(found)}
    assert 0 < due["main.closure.func1"] < HOUR_NS / 2 < HOUR_NS < due["main.remind"] < 2 * HOUR_NS
    kept = {group.callback: group.retained_heap_bytes or 0 for group in own(found)}
    assert kept["main.closure.func1"] > 1_024 * program.ready["closures"] > kept["main.remind"] > 0


@pytest.mark.parametrize("flags", [(), ("-race",)], ids=["cgo", "race"])
def test_timers_of_programs_with_c_are_read_as_well(go_program: Start, flags: tuple[str, ...]) -> None:
    program = go_program("timed/channels", str(COUNT), flags=flags, build_env={"CGO_ENABLED": "1"})
    assert sorted(group.waits_in for group in own(read(program))) == ["", "", "main.await", "main.tick"]


@every_version
@stripped_or_not
def test_timers_and_tickers_are_those_that_goroutines_wait_for_or_the_program_holds(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    found = read(go_program("timed/channels", str(COUNT), version=version, env=OWN_CHANNELS, **build))
    expected = {
        ("main.await", 1, None): COUNT,
        ("main.tick", 2, 2 * HOUR_NS): COUNT,
        ("", 4, 4 * HOUR_NS): COUNT,
        # Before Go 1.23 also those that nothing holds are there until they have fired.
        ("", 3, None): COUNT if minor(version) >= 23 else 2 * COUNT,
    }
    assert {(group.waits_in, hours(group), group.period_ns): group.pending for group in own(found)} == expected
    assert {(group.kind, group.callback) for group in own(found)} == {(TimerKind.CHANNEL, "time.sendTime")}


@every_version
@stripped_or_not
def test_contexts_with_deadlines_are_those_that_were_not_cancelled(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    found = read(go_program("timed/contexts", str(COUNT), version=version, **build))
    assert {(group.waits_in, hours(group)): group.pending for group in own(found)} == {
        ("main.wait", 1): COUNT,
        ("", 2): COUNT,
    }
    assert {group.kind for group in own(found)} == {TimerKind.CONTEXT}
    assert all(group.callback.startswith("context.WithDeadline") for group in own(found))


@every_version
def test_goroutines_that_sleep_are_shown_by_the_function_that_sleeps(go_program: Start, version: str) -> None:
    (group,) = own(read(go_program("timed/sleepers", str(COUNT), version=version)))
    assert (group.callback, group.waits_in, group.kind) == ("runtime.goroutineReady", "main.nap", TimerKind.FUNC)
    assert (group.pending, hours(group), group.period_ns) == (COUNT, 1, None)


@every_version
def test_deadlines_of_connections_are_timers_of_the_runtime(go_program: Start, version: str) -> None:
    found = read(go_program("timed/deadlines", str(COUNT), version=version))
    assert {(group.callback, hours(group)): group.pending for group in own(found)} == {
        (callback, hour): COUNT for hour, callback in enumerate(DEADLINES, start=1)
    }
    assert {group.kind for group in own(found)} == {TimerKind.FUNC}


@pytest.mark.parametrize("version", ["1.19.8", "1.22.10", "1.23.9", toolchains.DEFAULT])
def test_what_is_there_all_the_time_is_counted_exactly_while_others_start_and_stop(
    go_program: Start, version: str
) -> None:
    program = go_program("timed/restless", "5000", version=version)
    with opened(program.pid) as target:
        for _ in range(20):
            found = read_timers(target)
            pending = {group.callback: group.pending for group in own(found) if group.kind is TimerKind.FUNC}
            assert pending["main.stay"] == 5_000
            assert pending.get("main.pass", 0) <= program.ready["most"]
            assert pending.keys() <= {"main.stay", "main.pass", "runtime.goroutineReady"}


@pytest.mark.parametrize("version", ["1.22.10", toolchains.DEFAULT])
def test_of_too_many_timers_some_are_read_and_the_rest_is_estimated(go_program: Start, version: str) -> None:
    with opened(go_program("timed/callbacks", "20000", version=version).pid) as target:
        whole, found = read_timers(target), read_timers(target, most=6_000)
    assert (whole.pending, whole.each_stands_for) == (60_001, 1)
    assert found.each_stands_for > 8
    assert found.pending == pytest.approx(whole.pending, rel=0.2)
    assert {group.callback for group in own(found)} == {group.callback for group in own(whole)}


def test_timers_made_since_the_last_collection_are_not_said_to_be_held(go_program: Start) -> None:
    program = go_program("timed/young", str(COUNT), env={"GOGC": "off"})
    found = read(program)
    assert (own(found), found.unproved) == ([], COUNT)
    program.ask("collect")
    found = read(program)
    assert ([group.pending for group in own(found)], found.unproved) == ([COUNT], 0)


def test_the_command_prints_groups_for_people_and_for_programs(go_program: Start) -> None:
    program = go_program("timed/callbacks", str(COUNT))
    command = [GOSONDE, "timers", str(program.pid)]
    printed = subprocess.run([*command, "--json", "--limit", "1"], capture_output=True, check=True).stdout
    (group,) = json.loads(printed)
    assert 0 < group.pop("next_in_ns") < HOUR_NS
    assert group.pop("retained_heap_bytes") > 0
    assert group == {
        "callback": "main.closure.func1",
        "waits_in": "",
        "kind": "func",
        "pending": COUNT + 1,
        "period_ns": None,
        "lasting": COUNT + 1,
    }
    text = subprocess.run([*command, "--function", "expire"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in text.splitlines()[1:]] == [str(COUNT), str(3 * COUNT + 1)]


def test_a_deadline_comes_closer(go_program: Start) -> None:
    program = go_program("timed/sleepers", "1")
    with opened(program.pid) as target:
        began = time.monotonic_ns()
        (before,) = own(read_timers(target))
        (after,) = own(read_timers(target))
    assert 0 < before.next_in_ns - after.next_in_ns < time.monotonic_ns() - began
