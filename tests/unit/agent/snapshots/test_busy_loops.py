"""A goroutine is said to turn in a loop only when it ran on and on, and waited for nothing."""

from collections.abc import Sequence

import pytest
from gosonde_agent.snapshots.busy_loops import Stop, busy_loops
from gosonde_common.values.goroutines import REGISTERS, Goroutine, Location

MS = 1_000_000
THREAD = 7
OUTER, LOOP = Location("main.outer", "main.go", 9), Location("main.loop", "main.go", 5)


def goroutine(*stack: Location, complete: bool = True, system: bool = False) -> Goroutine:
    """Goroutine 1, as it ran at a stop."""
    nowhere = Location("", "", 0)
    known = {"active": not stack, "complete": complete, "system": system, "stack": stack, "stack_from": REGISTERS}
    return Goroutine(1, "running", "", None, nowhere, "main.outer", 0, THREAD, locked=False, **known)  # type: ignore[arg-type]


def stops(
    running: Sequence[Goroutine | None], *, changes: int = 10, cpu_ms: float = 90.0, waited_ms: float = 5.0
) -> list[Stop]:
    """Stops 0.1 s apart, between two of which a thread gets so much."""
    return [
        Stop(
            0.1 * number,
            {THREAD: (int(number * cpu_ms * MS), int(number * waited_ms * MS))},
            ((found, 250 + number * changes & 0xFF),) if found else (),
        )
        for number, found in enumerate(running)
    ]


def test_one_that_ran_in_one_call_all_the_while_is_named_with_what_shows_it() -> None:
    assert busy_loops(stops([goroutine(LOOP, OUTER)] * 5)) == {
        1: "it ran in main.loop at 5 of 5 stops within 0.40 s, and left its CPU 40 times, no more often than by "
        "preemption; its threads were on a CPU for 0.36 s, and waited for one for 0.02 s"
    }


def test_a_loop_that_calls_others_is_named_by_its_own_function() -> None:
    called = [Location(f"strings.Function{number}", "strings.go", number) for number in range(5)]
    lines = [Location("main.loop", "main.go", number) for number in range(5)]
    running = [goroutine(*pair, OUTER) for pair in zip(called, lines, strict=True)]
    assert busy_loops(stops(running))[1].startswith("it ran in main.loop at 5 of 5 stops")


def test_a_loop_that_always_calls_another_package_is_named_by_its_own_function() -> None:
    running = [goroutine(Location("time.Now", "time.go", 3), LOOP, OUTER)] * 5
    assert busy_loops(stops(running))[1].startswith("it ran in main.loop at 5 of 5 stops")


def test_one_that_took_turns_with_others_is_named() -> None:
    busy = goroutine(LOOP, OUTER)
    assert busy_loops(stops([busy, None, busy, None, busy]))[1].startswith("it ran in main.loop at 3 of 5 stops")


def test_on_a_busy_host_waiting_for_a_cpu_counts() -> None:
    assert busy_loops(stops([goroutine(LOOP, OUTER)] * 5, cpu_ms=2.0, waited_ms=95.0))


@pytest.mark.parametrize(
    "harmless",
    [
        stops([goroutine(LOOP, OUTER)] * 5, changes=60),
        stops([goroutine(LOOP, OUTER)] * 5, cpu_ms=0.1, waited_ms=0.1),
        stops([goroutine(LOOP, OUTER)] * 5, cpu_ms=0.0, waited_ms=90.0),
        stops([goroutine(LOOP, OUTER)] * 2 + [None] * 3),
        stops([goroutine(LOOP, OUTER, complete=False)] * 5),
        stops([goroutine(LOOP, OUTER, system=True)] * 5),
        stops([goroutine(Location(f"main.work{number}", "main.go", 1)) for number in range(5)]),
        stops([goroutine()] * 5),
        [],
    ],
    ids=[
        *("it waits in between", "it stands in the kernel", "it never gets a CPU", "it was seen twice"),
        *("its stack is cut", "it is the runtime's", "it does other things", "nothing is known", "no stop"),
    ],
)
def test_all_else_is_not(harmless: list[Stop]) -> None:
    assert busy_loops(harmless) == {}
