"""How many goroutines a process ever made, and how many it has, by the runtime's own counters: no probe, no list."""

import contextlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.proof import MAX_GOROUTINES, MAX_PROCESSORS
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

#: A million a second for nine years.
MAX_CREATED = 1 << 48
#: What is read one after the other may not fit together while many goroutines come and go.
ATTEMPTS = 8
#: _GoidCacheBatch in proc.go.
ID_BATCH = 16


@dataclass(frozen=True, slots=True)
class GoroutineTotals:
    """Totals since the process began.

    Attributes:
        created: All goroutines ever, the runtime's own among them.
        exited: Of those.
        live: Those that are left. In a program with cgo it counts the g of each thread that C made, too: see `without`.
        system: How many of `live` the runtime calls its own.
        processors: How many Ps there are. Each keeps some of the counts to itself.
        by_ids: `created` is what was taken from the runtime's goroutine ids (before Go 1.26): it counts the g of
            threads that C made.
        newest_id: The highest goroutine id that was handed out by then.
    """

    created: int
    exited: int
    live: int
    system: int
    processors: int = 1
    by_ids: bool = False
    newest_id: int = 0

    def without(self, foreign: npt.NDArray[np.uint64]) -> "GoroutineTotals":
        """Less the g of threads that C made, whose ids were found in the list of goroutines afterwards.

        Each took one id when it was made, passed no `newproc1`, and stays for good: it serves one thread after another.
        """
        counted = int(np.count_nonzero(foreign <= self.newest_id))
        created, live = self.created - (counted if self.by_ids else 0), self.live - counted
        return replace(self, created=created, live=live, exited=max(created - live, 0))


def ids_not_used(memory: ProcessMemory, layout: Layout, processors: npt.NDArray[np.uint64], newest_id: int) -> int:
    """How many of the ids up to `newest_id` the Ps keep for later.

    A P takes ids in batches (newproc1 in proc.go). Where it has taken a batch since `newest_id` was read, it had used
    all before. Beginning and end are read at once: from two readings they could be of two batches. A thread may be held
    up between taking a batch and noting it, which then is no P's: where C made no g, which takes one id, that shows.

    Raises:
        ImplausibleMemoryError: So, or a P cannot be read.
    """
    begin, end = layout.offset("p", "goidcache"), layout.offset("p", "goidcacheend")
    rows, whole = memory.read_each(processors + np.uint64(begin), end + 8 - begin)
    if not whole.all():
        raise ImplausibleMemoryError(f"a P of process {memory.pid} is not mapped")
    first = np.ascontiguousarray(rows[:, :8]).view("<u8").reshape(-1)
    behind = np.ascontiguousarray(rows[:, -8:]).view("<u8").reshape(-1)
    if newest_id % ID_BATCH == 0 and behind.max(initial=0) <= newest_id <= MAX_CREATED:
        raise ImplausibleMemoryError(f"a P of process {memory.pid} is taking goroutine ids")
    known = np.minimum(behind, np.uint64(min(newest_id + 1, MAX_CREATED)))
    unused = np.where(known > first, known - first, np.uint64(0))
    return int(np.minimum(unused, np.uint64(ID_BATCH)).sum())


def free_lists(layout: Layout) -> tuple[list[int], int]:
    """Where the lengths of the lists of unused goroutines are, int32: offsets in runtime.schedt, and one in each P."""
    names = [name for name in ("gFree.n", "gFree.stack.size", "gFree.noStack.size") if layout.has("schedt", name)]
    return [layout.offset("schedt", name) for name in names], layout.offset(
        "p", "gFree.n" if layout.has("p", "gFree.n") else "gFree.size"
    )


def read_totals(runtime: Runtime) -> GoroutineTotals:
    """The totals now, within what is created and exits while a few hundred bytes are read.

    Raises:
        NotLocatedError: The scheduler's variables were not proved.
        ImplausibleMemoryError: What is there cannot be a runtime's.
        GosondeError: The process has ended, or may not be read.
    """
    runtime.addresses.require("allp", "sched")
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(ImplausibleMemoryError):
            return _read_once(runtime)
    return _read_once(runtime)


def _read_once(runtime: Runtime) -> GoroutineTotals:
    layout, memory, addresses = runtime.layout, runtime.memory, runtime.addresses

    def word(offset: int, size: int) -> int:
        data = memory.read(addresses.sched + runtime.bias + offset, size)
        return int.from_bytes(data, "little", signed=size == 4)

    def scheduler(name: str, size: int) -> int:
        return word(layout.offset("schedt", name), size)

    pointer, count, capacity = np.frombuffer(memory.read(addresses.allp + runtime.bias, 24), "<u8").tolist()
    if not 0 < count <= capacity <= MAX_PROCESSORS:
        raise ImplausibleMemoryError(f"process {memory.pid} claims to have {count} Ps, and room for {capacity}")
    # Where GOMAXPROCS was lowered, Ps beyond the length keep the ids that they had taken (procresize in proc.go).
    processors = np.frombuffer(memory.read(pointer, capacity * 8), "<u8").astype(np.uint64)
    processors = processors[processors != 0]

    def each(offset: int, size: int) -> int:
        rows, whole = memory.read_each(processors + np.uint64(offset), size)
        if not whole.all():
            raise ImplausibleMemoryError(f"a P of process {memory.pid} is not mapped")
        return int(rows.view("<i4" if size == 4 else "<u8").sum())

    known = runtime.number(addresses.allglen)
    by_ids = not (layout.has("schedt", "goroutinesCreated") and layout.has("p", "goroutinesCreated"))
    newest_id = scheduler("goidgen", 8)
    if not by_ids:
        created = scheduler("goroutinesCreated", 8) + each(layout.offset("p", "goroutinesCreated"), 8)
    else:
        created = newest_id - ids_not_used(memory, layout, processors, newest_id)
    free, free_of_p = free_lists(layout)
    unused = sum(word(offset, 4) for offset in free) + each(free_of_p, 4)
    live = known - unused
    if known > MAX_GOROUTINES or not 0 <= live <= created + 1_024 or created > MAX_CREATED:
        raise ImplausibleMemoryError(
            f"process {memory.pid} claims {created} goroutines created, {known} known and {unused} unused"
        )
    exited = max(created - live, 0)
    return GoroutineTotals(created, exited, live, scheduler("ngsys", 4), count, by_ids, newest_id)
