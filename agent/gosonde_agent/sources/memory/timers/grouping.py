"""Groups of timers: by what they do when they are due, and by who waits for it."""

import numpy as np
from gosonde_common.values.timers import LASTING_NS, TimerGroup

from gosonde_agent.sources.memory.reachability.rows import I64
from gosonde_agent.sources.memory.timers.callbacks import KINDS, Callbacks
from gosonde_agent.sources.memory.timers.heaps import Timers
from gosonde_agent.sources.memory.timers.retained import F64, Retained


def grouped(
    timers: Timers,
    weights: F64,
    *,
    callbacks: Callbacks,
    functions: tuple[list[str], I64],
    retained: Retained | None,
    now_ns: int,
) -> list[TimerGroup]:
    """The groups, the largest first; arrays have an element for each timer.

    Args:
        weights: How many timers each one stands for.
        functions: Their names, and which of them waits for it: the empty one where none does.
        retained: What they keep alive; None where it is not known.
        now_ns: CLOCK_MONOTONIC.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    if not len(timers):
        return []
    due_in = next_in_ns(timers, now_ns)
    waits, wait = _numbered(*functions)
    called, call = _numbered(callbacks.names, callbacks.name)
    repeats = (timers.period > 0).astype(np.int64)
    lasting = weights * ((timers.period > 0) | (due_in > LASTING_NS))
    key = ((wait * len(called) + call) * len(KINDS) + callbacks.kind) * 2 + repeats
    _keys, which = np.unique(key, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(which.reshape(-1)))[:-1])
    groups = [
        TimerGroup(
            callback=called[int(call[rows[0]])],
            waits_in=waits[int(wait[rows[0]])],
            kind=KINDS[int(callbacks.kind[rows[0]])],
            pending=round(float(weights[rows].sum())),
            next_in_ns=int(due_in[rows].min()),
            period_ns=int(timers.period[rows].min()) or None,
            retained_heap_bytes=retained.bytes_of(timers.at, callbacks, weights, rows) if retained else None,
            lasting=round(float(lasting[rows].sum())),
        )
        for rows in parts
    ]
    return sorted(groups, key=lambda group: (-group.pending, group.next_in_ns, group.callback, group.waits_in))


def _numbered(names: list[str], which: I64) -> tuple[list[str], I64]:
    """The same with each name once."""
    places: dict[str, int] = {}
    place = np.array([places.setdefault(name, len(places)) for name in names], np.int64)
    return list(places), place[which]


def next_in_ns(timers: Timers, now_ns: int) -> I64:
    """How long until each is due: 0 for one that is overdue, and the next time of one that repeats."""
    left = timers.due - now_ns
    repeats = (left < 0) & (timers.period > 0)
    left[repeats] = left[repeats] % timers.period[repeats]
    return np.maximum(left, 0)
