"""GC cycles and stop-the-world pauses, against the runtime's own account (runtime.MemStats)."""

from collections.abc import Callable
from typing import Any

import pytest
from gosonde_agent.golang.layouts import GC_STOP_REASONS

from tests import toolchains
from tests.go_programs import GoProgram
from tests.integration.watching import Watch, watching
from tests.versions import VERSIONS

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]

#: PauseNs leaves out how long the world takes to start again after mark termination. That is some 10 µs, unless the
#: thread that starts it loses its processor just then; 100 ms is several time slices of a busy machine.
MARGIN_NS = 100_000_000

#: Up to Go 1.21 the runtime takes the time before it calls stopTheWorldWithSema, so there a pause may come out shorter
#: than PauseNs, by a switch to the system stack and again whatever the thread waits for its processor.
MARGIN_BELOW_NS = {"1.19.8": MARGIN_NS, "1.21.13": MARGIN_NS}


def measured_pauses(watch: Watch, pid: int) -> list[int]:
    """Nanoseconds that each GC cycle stopped the world, in the order of the cycles."""
    stops = [p for p in watch.pauses if p.process.pid == pid and p.reason in GC_STOP_REASONS]
    cycles: list[int] = []
    for stop in sorted(stops, key=lambda stop: stop.ordinal):
        if stop.reason == "GC sweep termination":
            cycles.append(0)
        cycles[-1] += stop.duration_ns
    return cycles


def runtime_pauses(before: dict[str, Any], after: dict[str, Any]) -> list[int]:
    """MemStats.PauseNs of the cycles between two readings, in order."""
    ring: list[int] = after["PauseNs"]
    return [ring[(number + 255) % 256] for number in range(before["NumGC"] + 1, after["NumGC"] + 1)]


def observed_at_rest(watch: Watch, program: GoProgram) -> dict[str, Any]:
    """MemStats of the moment of an observation: the cycle that ran when the program stopped allocating has ended."""
    for _ in range(100):
        stats = program.ask("memstats")
        watch.observe()
        if program.ask("memstats")["NumGC"] == stats["NumGC"]:
            return stats
    raise AssertionError("the garbage collector never came to rest")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("processors", [1, 2])
def test_every_gc_cycle_is_counted_and_its_pause_covers_the_runtimes_own(
    go_program: Start, version: str, processors: int
) -> None:
    program = go_program("churn", version=version, env={"GOMAXPROCS": str(processors), "GOGC": "off"})
    with watching(pid=program.pid) as watch:
        before = program.ask("memstats")
        program.ask("gc 100")
        after = program.ask("memstats")
        watch.observe()
        expected = runtime_pauses(before, after)
        measured = measured_pauses(watch, program.pid)
        assert len(expected) == after["NumGC"] - before["NumGC"] == 100
        (total,) = [total for (pid, _), total in watch.totals.items() if pid == program.pid]
        assert total.cycles == len([c for c in watch.cycles if c.process.pid == program.pid]) == 100
        assert len(measured) == 100
        for own, ours in zip(expected, measured, strict=True):
            assert own - MARGIN_BELOW_NS.get(version, 0) <= ours <= own + MARGIN_NS
        assert sum(measured) == total.gc_pause_ns
        assert watch.nothing_lost()


def test_a_stop_that_the_gc_did_not_make_is_told_with_its_reason_and_not_added_to_the_gcs(go_program: Start) -> None:
    program = go_program("churn", env={"GOGC": "off"})
    with watching(pid=program.pid) as watch:
        program.ask("memstats")
        watch.observe()
        assert [pause.reason for pause in watch.pauses] == ["read mem stats"]
        assert all(total.gc_pause_ns == 0 and total.pauses == 1 for total in watch.totals.values())


def test_before_go_1_21_a_stop_that_the_gc_did_not_make_has_no_reason_and_is_not_added_to_the_gcs(
    go_program: Start,
) -> None:
    program = go_program("churn", version=toolchains.DEBIAN, env={"GOGC": "off"})
    with watching(pid=program.pid) as watch:
        program.ask("gc 1")
        program.ask("memstats")
        watch.observe()
        reasons = [pause.reason for pause in sorted(watch.pauses, key=lambda pause: pause.ordinal)]
        assert reasons == ["GC sweep termination", "GC mark termination", "unknown"]
        (total,) = watch.totals.values()
        assert total.gc_pause_ns == sum(p.duration_ns for p in watch.pauses if p.reason in GC_STOP_REASONS)


def test_cycles_begin_and_end_within_the_time_that_was_watched(go_program: Start) -> None:
    program = go_program("churn", env={"GOGC": "off"})
    with watching(pid=program.pid) as watch:
        program.ask("gc 5")
        watch.observe()
        process = watch.process(program.pid)
        times = [(cycle.start_unix_nano, cycle.end_unix_nano) for cycle in watch.cycles]
        assert len(times) == 5
        assert times == sorted(times)
        assert process.counted_since_unix_nano < times[0][0] < times[0][1]


def test_a_program_that_collects_at_full_speed_loses_no_cycle(go_program: Start) -> None:
    program = go_program("alloc")
    with watching(pid=program.pid) as watch:
        before = program.ask("memstats")
        answer = program.ask("run 2")
        after = observed_at_rest(watch, program)
        (total,) = watch.totals.values()
        assert total.cycles == after["NumGC"] - before["NumGC"] > 10
        assert answer["right"]
        assert watch.nothing_lost()
