"""Groups of contexts: of one kind, from the same parents, waited for in the same function, forgotten or not."""

import time
from typing import Final

import numpy as np

from gosonde_agent.sources.memory.contexts.chains import ChainReader
from gosonde_agent.sources.memory.contexts.reading import ContextReader, Found
from gosonde_agent.sources.memory.contexts.values import Cancel, ContextGroup, ContextKind
from gosonde_agent.sources.memory.moments import SECOND, unix_time
from gosonde_agent.sources.memory.reachability.rows import I64, U64, words
from gosonde_agent.sources.memory.target import Target
from gosonde_agent.sources.memory.timers.waiting import WAITS, own_function

CANCELS: Final = (Cancel.FORGOTTEN, Cancel.UNKNOWN, Cancel.HELD)
NOBODY: Final = ("", "")
#: A map has no more entries. A deadline that is farther away counts as this one, in the year 2242: it is in seconds.
MOST_CHILDREN, MOST_SECONDS = 1 << 32, 1 << 33


def grouped(reader: ContextReader, found: Found) -> list[ContextGroup]:
    """The groups, the largest first.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    if not len(found):
        return []
    memory = reader.target.runtime.memory
    chains = ChainReader(memory, reader.named.types, reader.interfaces)
    chain = chains.read(found.of.parent, found.of.parent_data)
    waits, wait = waiting_functions(reader.target, found)
    children, deadline = _children(reader, found), deadlines(reader, found)
    waiting = np.bincount(found.waiting[0], minlength=len(found))
    key = ((chain.which * len(waits) + wait) * len(reader.types.kinds) + found.kind) * len(CANCELS) + found.cancel
    _keys, which = np.unique(key, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    sampled = np.full(len(found), -1, np.int64)
    sampled[found.sampled[0]] = np.arange(len(found.sampled[0]))
    now_ns = time.time_ns()
    groups = []
    for rows in np.split(order, np.cumsum(np.bincount(which.reshape(-1)))[:-1]):
        first = int(rows[0])
        ends = deadline[rows][deadline[rows] > 0]
        groups.append(
            ContextGroup(
                kind=reader.types.kinds[int(found.kind[first])].kind,
                cancel=CANCELS[int(found.cancel[first])],
                parents=chain.texts[int(chain.which[first])],
                waits_in=waits[int(wait[first])][0],
                created_by=waits[int(wait[first])][1],
                made_in=reader.samples.makers(found.sampled[1][sampled[rows][sampled[rows] >= 0]]),
                live=len(rows),
                children=int(children[rows].sum()),
                waiting=int(waiting[rows].sum()),
                next_deadline_ns=max(int(ends.min()) - now_ns, 0) if len(ends) else None,
            )
        )
    return sorted(groups, key=lambda group: (-group.live, group.cancel, group.kind, group.parents, group.waits_in))


def waiting_functions(target: Target, found: Found) -> tuple[list[tuple[str, str]], I64]:
    """(function that waits and function of its `go` statement, which of them each context has); NOBODY for none."""
    row, goid = found.waiting
    order = np.lexsort((goid, row))
    rows, first = np.unique(row[order], return_index=True)
    functions = _functions(target, goid[order][first]) if len(rows) else {}
    different = [NOBODY, *sorted(set(functions.values()) - {NOBODY})]
    wait = np.zeros(len(found), np.int64)
    place = {names: at for at, names in enumerate(different)}
    wait[rows] = [place[functions.get(one, NOBODY)] for one in goid[order][first].tolist()]
    return different, wait


def _functions(target: Target, wanted: U64) -> dict[int, tuple[str, str]]:
    goids = frozenset(wanted.tolist())
    return {
        goid: (own_function(kind), kind.created_by.function)
        for block in target.goroutine_columns()
        for kind, goid in zip(block.kinds, block.goids, strict=True)
        if goid in goids and kind.wait_reason in WAITS
    }


def _children(reader: ContextReader, found: Found) -> I64:
    """How many each has: both kinds of maps that Go has had begin with their number of entries."""
    rows, whole = reader.target.runtime.memory.read_each(found.of.children, 8)
    count = np.where(whole & (found.of.children != 0), words(rows, 0), np.uint64(0))
    return np.where(count < np.uint64(MOST_CHILDREN), count, np.uint64(0)).astype(np.int64)


def deadlines(reader: ContextReader, found: Found) -> I64:
    """When each ends, ns since 1970; 0 without a deadline."""
    has_one = np.array([kind.kind is ContextKind.DEADLINE for kind in reader.types.kinds], np.bool_)[found.kind]
    seconds, nanoseconds = unix_time(found.of.wall, found.of.ext)
    is_one = has_one & (seconds > 0)
    return np.where(is_one, np.clip(seconds, 0, MOST_SECONDS) * SECOND + nanoseconds, 0)
