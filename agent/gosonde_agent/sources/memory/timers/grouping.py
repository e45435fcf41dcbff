"""Groups of timers: by what they do when they are due, and by who waits for it."""

import numpy as np
from gosonde_common.values.timers import TimerGroup

from gosonde_agent.sources.memory.reachability.rows import I64
from gosonde_agent.sources.memory.timers.callbacks import KINDS, Callbacks
from gosonde_agent.sources.memory.timers.heaps import Timers
from gosonde_agent.sources.memory.timers.retained import F64, Retained


def grouped(
    timers: Timers,
    weights: F64,
    *,
    callbacks: Callbacks,
    functions: list[str],
    retained: Retained | None,
    now_ns: int,
) -> list[TimerGroup]:
    """The groups, the largest first; arrays and lists have an element for each timer.

    Args:
        weights: How many timers each one stands for.
        functions: The one that waits for it; empty where none does.
        retained: What they keep alive; None where it is not known.
        now_ns: CLOCK_MONOTONIC.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    if not len(timers):
        return []
    due_in = next_in_ns(timers, now_ns)
    waits, wait = np.unique(np.array(functions, object), return_inverse=True)
    called, call = np.unique(np.array(callbacks.names, object)[callbacks.name], return_inverse=True)
    keys = np.stack((callbacks.kind, call.reshape(-1), wait.reshape(-1), timers.period > 0), axis=1)
    different, which = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(which.reshape(-1)))[:-1])
    groups = [
        TimerGroup(
            callback=str(called[name]),
            waits_in=str(waits[function]),
            kind=KINDS[kind],
            pending=round(float(weights[rows].sum())),
            next_in_ns=int(due_in[rows].min()),
            period_ns=int(timers.period[rows].min()) or None,
            retained_heap_bytes=retained.bytes_of(timers.at, callbacks, weights, rows) if retained else None,
        )
        for (kind, name, function, _), rows in zip(different.tolist(), parts, strict=True)
    ]
    return sorted(groups, key=lambda group: (-group.pending, group.next_in_ns, group.callback, group.waits_in))


def next_in_ns(timers: Timers, now_ns: int) -> I64:
    """How long until each is due: 0 for one that is overdue, and the next time of one that repeats."""
    left = timers.due - now_ns
    repeats = (left < 0) & (timers.period > 0)
    left[repeats] = left[repeats] % timers.period[repeats]
    return np.maximum(left, 0)
