"""Where the heap is to end: what the runtime computes from the same fields."""

from gosonde_agent.sources.memory.heap_goal import NOT_TRIGGERED, goal

MIB = 1 << 20
#: 10 MiB alive, a goal of 20 MiB, 4 MiB that are not the heap's, no limit.
FIELDS = {
    "memoryLimit": (1 << 63) - 1,
    "gcPercentHeapGoal": 20 * MIB,
    "sweepDistMinTrigger": 0,
    "triggered": NOT_TRIGGERED,
    "heapMarked": 10 * MIB,
    "heapFree": 2 * MIB,
    "totalAlloc": 100 * MIB,
    "totalFree": 88 * MIB,
    "mappedReady": 18 * MIB,
}


def test_without_a_limit_gogc_alone_says_it() -> None:
    assert goal(FIELDS, 27) == 20 * MIB


def test_a_cycle_that_began_late_ends_a_little_later() -> None:
    assert goal(FIELDS | {"triggered": 20 * MIB}, 27) == 20 * MIB + (64 << 10)
    assert goal(FIELDS | {"sweepDistMinTrigger": 21 * MIB}, 27) == 21 * MIB


def test_a_limit_leaves_the_rest_of_memory_and_some_headroom() -> None:
    assert goal(FIELDS | {"memoryLimit": 19 * MIB}, 27) == 14 * MIB
    assert goal(FIELDS | {"memoryLimit": 204 * MIB, "gcPercentHeapGoal": 1 << 40}, 20) == 199 * MIB
    assert goal(FIELDS | {"memoryLimit": 204 * MIB, "gcPercentHeapGoal": 1 << 40}, 21) == 200 * MIB - 2 * MIB * 3


def test_a_limit_below_what_is_alive_asks_for_what_is_alive() -> None:
    assert goal(FIELDS | {"memoryLimit": 6 * MIB}, 27) == 10 * MIB


def test_what_nothing_limits_has_no_goal_and_neither_has_what_does_not_fit_together() -> None:
    assert goal(FIELDS | {"gcPercentHeapGoal": (1 << 64) - 1}, 27) is None
    assert goal(FIELDS | {"mappedReady": 8 * MIB}, 27) is None
