"""The pending timers of a process in groups: the way from its memory to what people are shown."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from gosonde_common.values.timers import PendingTimers

from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, NotLocatedError
from gosonde_agent.sources.memory.reachability.limits import Meter, NotDecidedError
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.rows import I64, among
from gosonde_agent.sources.memory.reachability.spans import SpanReader
from gosonde_agent.sources.memory.target import Target
from gosonde_agent.sources.memory.timers.callbacks import CallbackReader, Callbacks
from gosonde_agent.sources.memory.timers.contexts import Contexts
from gosonde_agent.sources.memory.timers.grouping import grouped
from gosonde_agent.sources.memory.timers.heaps import Timers, read_heaps
from gosonde_agent.sources.memory.timers.layout import TimerLayout, timer_layout
from gosonde_agent.sources.memory.timers.retained import F64, Retained
from gosonde_agent.sources.memory.timers.unblocked import LIMITS, Search, Unblocked
from gosonde_agent.sources.memory.timers.waiting import Waiting, waiting_functions

#: Of a process with more timers in its heaps, some are read.
MOST: Final = 1_000_000


def read_timers(target: Target, most: int = MOST, *, no_search_because: str = "") -> PendingTimers:
    """The pending timers of a process now, without a stop of it.

    Args:
        most: Where its heaps of timers have more, some are read, and the rest is estimated.
        no_search_because: Why the heap is not to be searched; empty when it is.

    Raises:
        NotLocatedError: Where its Ps are is not known.
        UnsupportedBinaryError: Where timers have what is not known.
        ImplausibleMemoryError: What is there cannot be a runtime's.
        GosondeError: The process has ended, or may not be read.
    """
    runtime = target.runtime
    layout = timer_layout(runtime.layout)
    timers, changing, stands_for = read_heaps(runtime, layout, most)
    now_ns = time.monotonic_ns()
    nothing = Unblocked(Timers.none(), 0)
    heap = HeapSeen(None, nothing, no_search_because) if no_search_because else _read_heap(target, layout, now_ns)
    timers, weights = _together(timers, stands_for, heap.unblocked.timers)
    callbacks = CallbackReader(runtime, target.pclntab, Contexts(runtime.memory, layout)).of(timers)
    functions = _waiting(target, callbacks)
    retained = Retained(runtime.memory, heap.objects) if heap.objects is not None else None
    groups = grouped(timers, weights, callbacks=callbacks, functions=functions, retained=retained, now_ns=now_ns)
    runtime.memory.check_same(runtime.addresses.allglen + runtime.bias)
    return PendingTimers(groups, changing, stands_for, heap.unblocked.unproved, heap.unread)


@dataclass(frozen=True, slots=True)
class HeapSeen:
    """What the heap has: its objects, and timers that nobody waits for; or why it was not read."""

    objects: HeapMap | None
    unblocked: Unblocked
    unread: str = ""


def _read_heap(target: Target, layout: TimerLayout, now_ns: int) -> HeapSeen:
    unblocked = Unblocked(Timers.none(), 0)
    try:
        meter = Meter(LIMITS)
        spans = SpanReader(target.runtime, target.heap_addresses().mheap).read(meter)
        if layout.has_channel_timers:
            unblocked = Search(target.runtime, layout, now_ns).run(spans, meter)
        return HeapSeen(HeapMap(spans, meter), unblocked)
    except (NotLocatedError, UnsupportedBinaryError, ImplausibleMemoryError, NotDecidedError) as error:
        return HeapSeen(None, unblocked, str(error))


def _together(heaped: Timers, stands_for: float, unblocked: Timers) -> tuple[Timers, F64]:
    """(each timer once, how many it stands for)."""
    others = unblocked.selected(~among(unblocked.at, np.sort(heaped.at)))
    weights = np.concatenate((np.full(len(heaped), stands_for), np.ones(len(others))))
    return Timers.joined([heaped, others]), weights


def _waiting(target: Target, callbacks: Callbacks) -> tuple[list[str], I64]:
    """(functions that wait, which of them waits for each timer); the empty one where none does."""
    waiting = Waiting(target.runtime)
    goroutines = waiting.receivers(callbacks.channel)
    goids = waiting.numbers(np.where(callbacks.sleeper != 0, callbacks.sleeper, goroutines))
    if not goids.any():
        return [""], np.zeros(len(goids), np.int64)
    functions = waiting_functions(target.goroutine_columns(), goids)
    different, which = np.unique(goids, return_inverse=True)
    return [functions.get(goid, "") for goid in different.tolist()], which.reshape(-1).astype(np.int64)
