"""The runtime's own account of its garbage collections: runtime.memstats, gcController and work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PastPause:
    """How long one GC cycle stopped the world in all, and when the last of its stops ended."""

    cycle: int
    end_unix_nano: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class LastCycle:
    """The GC cycle that ended last, as GODEBUG=gctrace=1 prints it.

    Attributes:
        start_ns: Since the runtime began; -1 when that moment was not located.
        cpu_percent: Share of the program's CPU time that GC took since it began.
        sweep_ns: World stopped for sweep termination.
        mark_ns: Concurrent marking.
        termination_ns: World stopped for mark termination.
        heap_start_bytes: When the cycle began.
        heap_end_bytes: When marking ended.
        heap_marked_bytes: What was found alive.
    """

    cycle: int
    start_ns: int
    cpu_percent: int
    sweep_ns: int
    mark_ns: int
    termination_ns: int
    stopped_processors: int
    assist_cpu_ns: int
    background_cpu_ns: int
    idle_cpu_ns: int
    heap_start_bytes: int
    heap_end_bytes: int
    heap_marked_bytes: int
    heap_goal_bytes: int
    stacks_bytes: int
    globals_bytes: int
    processors: int
    forced: bool

    def gctrace(self) -> str:
        """The line that the runtime prints."""
        began = f"{self.start_ns // 1_000_000 / 1_000:.3f}" if self.start_ns >= 0 else "?"
        clock = "+".join(_milliseconds(ns) for ns in (self.sweep_ns, self.mark_ns, self.termination_ns))
        stopped, ended, background, idle = (
            _milliseconds(ns)
            for ns in (
                self.stopped_processors * self.sweep_ns,
                self.stopped_processors * self.termination_ns,
                self.background_cpu_ns,
                self.idle_cpu_ns,
            )
        )
        cpu = f"{stopped}+{_milliseconds(self.assist_cpu_ns)}/{background}/{idle}+{ended}"
        heap = "->".join(
            str(size >> 20) for size in (self.heap_start_bytes, self.heap_end_bytes, self.heap_marked_bytes)
        )
        return (
            f"gc {self.cycle} @{began}s {self.cpu_percent}%: {clock} ms clock, {cpu} ms cpu, {heap} MB, "
            f"{self.heap_goal_bytes >> 20} MB goal, {self.stacks_bytes >> 20} MB stacks, "
            f"{self.globals_bytes >> 20} MB globals, {self.processors} P{' (forced)' if self.forced else ''}"
        )


@dataclass(frozen=True, slots=True)
class GcFigures:
    """What the runtime knows of its collections.

    Attributes:
        pauses: The last 256 cycles', oldest first.
        heap_goal_bytes: Where GC percent alone would have the next cycle end; -1 when it is off.
        gc_percent: GOGC; -1 when it is off.
        memory_limit_bytes: GOMEMLIMIT; -1 when there is none.
        last: None until a cycle has ended, while one runs, and when runtime.work was not located.
    """

    cycles: int
    forced_cycles: int
    pause_total_ns: int
    pauses: tuple[PastPause, ...]
    heap_live_bytes: int
    heap_goal_bytes: int
    gc_percent: int
    memory_limit_bytes: int
    cpu_fraction: float
    last: LastCycle | None


def _milliseconds(ns: int) -> str:
    """runtime.fmtNSAsMS: whole milliseconds from 10 up, else two digits that say something."""
    if ns >= 10_000_000:
        return str(ns // 1_000_000)
    microseconds = ns // 1_000
    if microseconds == 0:
        return "0"
    decimals = 3
    while microseconds >= 100:
        microseconds //= 10
        decimals -= 1
    text = str(microseconds).rjust(decimals + 1, "0")
    return f"{text[:-decimals]}.{text[-decimals:]}" if decimals else text
