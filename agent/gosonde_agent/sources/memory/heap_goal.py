"""Where the heap is to end in this GC cycle: heapGoalInternal and memoryLimitHeapGoal (mgcpacer.go), from outside."""

from collections.abc import Mapping
from typing import Final

from gosonde_agent.sources.memory.proof import MAX_HEAP

#: memoryLimitMinHeapGoalHeadroom; up to Go 1.20 memoryLimitHeapGoalHeadroom, which was all.
LEAST_HEADROOM: Final = 1 << 20
#: memoryLimitHeapGoalHeadroomPercent, from Go 1.21 on.
HEADROOM_PERCENT: Final = 3
HAS_HEADROOM_PERCENT: Final = 21
#: Of heapGoalInternal.
LEAST_RUNWAY: Final = 64 << 10
#: gcController.triggered while no cycle runs.
NOT_TRIGGERED: Final = (1 << 64) - 1


def goal(controller: Mapping[str, int], minor: int) -> int | None:
    """The goal in bytes by the fields of gcController in Go 1.`minor`; None where nothing limits the heap.

    None also for fields that do not fit together: the runtime reads such again.
    """
    limited = _by_limit(controller, minor)
    if limited is None:
        return None
    aim = controller["gcPercentHeapGoal"]
    if limited < aim:
        aim = limited
    else:
        aim = max(aim, controller["sweepDistMinTrigger"])
        if (triggered := controller["triggered"]) != NOT_TRIGGERED:
            aim = max(aim, triggered + LEAST_RUNWAY)
    return aim if aim < MAX_HEAP else None


def _by_limit(controller: Mapping[str, int], minor: int) -> int | None:
    limit, ready, marked = controller["memoryLimit"], controller["mappedReady"], controller["heapMarked"]
    rest = ready - controller["heapFree"] - (controller["totalAlloc"] - controller["totalFree"])
    if rest < 0:
        return None
    taken = rest + max(ready - limit, 0)
    if taken >= limit:
        return marked
    aim = limit - taken
    headroom = LEAST_HEADROOM
    if minor >= HAS_HEADROOM_PERCENT:
        headroom = max(headroom, aim // 100 * HEADROOM_PERCENT)
    return max(aim - headroom, headroom, marked)
