"""What the Go runtime of a process says of itself: the figures that runtime/metrics has, as its memory shows them."""

from dataclasses import dataclass
from typing import Final

#: Of `memory_limit_bytes`: there is none. Of `gogc_percent`: GOGC=off.
UNLIMITED: Final = -1
#: Upper bounds of `schedule_durations`, in nanoseconds: about 1 us, 4 us and so on up to 17 s. Last come those above.
SCHEDULE_BOUNDS_NS: Final = tuple(1 << bits for bits in range(10, 36, 2))


@dataclass(frozen=True, slots=True)
class RuntimeFigures:
    """The newest figures of one process. None stands for what is not known; totals count from its start.

    Each is what runtime/metrics has under the name that follows, for which the semantic conventions of OpenTelemetry
    for the Go runtime have a metric.

    Attributes:
        read_unix_nano: When they were read.
        goroutines: Live ones, without the runtime's own (/sched/goroutines:goroutines; go.goroutine.count).
        stack_bytes: Of the heap, reserved for stacks (/memory/classes/heap/stacks:bytes; go.memory.used, "stack").
        other_bytes: All other memory that the runtime has of the kernel (/memory/classes/total:bytes less
            /memory/classes/heap/released:bytes and `stack_bytes`; go.memory.used, "other").
        memory_limit_bytes: GOMEMLIMIT; UNLIMITED where there is none, or one of 4 EiB and more
            (/gc/gomemlimit:bytes; go.memory.limit).
        allocated_bytes: A total (/gc/heap/allocs:bytes; go.memory.allocated).
        allocations: A total, in objects (/gc/heap/allocs:objects; go.memory.allocations).
        gc_goal_bytes: How large the heap may become in this GC cycle; None also where nothing limits it
            (/gc/heap/goal:bytes; go.memory.gc.goal).
        gc_cycles: Completed ones, a total (/gc/cycles/total:gc-cycles; go.memory.gc.cycles).
        gc_pause_ns: For how long GC stopped the world, a total in nanoseconds (MemStats.PauseTotalNs).
        gogc_percent: GOGC; UNLIMITED when it is off (/gc/gogc:percent; go.config.gogc).
        processors: GOMAXPROCS (/sched/gomaxprocs:threads; go.processor.limit).
        schedule_durations: How long goroutines waited until they ran, as the runtime samples it: counts below each of
            SCHEDULE_BOUNDS_NS and not below the one before, and at last all others; totals
            (/sched/latencies:seconds; go.schedule.duration).
    """

    read_unix_nano: int
    goroutines: int | None = None
    stack_bytes: int | None = None
    other_bytes: int | None = None
    memory_limit_bytes: int | None = None
    allocated_bytes: int | None = None
    allocations: int | None = None
    gc_goal_bytes: int | None = None
    gc_cycles: int | None = None
    gc_pause_ns: int | None = None
    gogc_percent: int | None = None
    processors: int | None = None
    schedule_durations: tuple[int, ...] | None = None
