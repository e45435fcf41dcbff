"""Which source watches a process that is traced, and what watches it by that source."""

import contextlib
from collections.abc import Collection, Iterator, Mapping

from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host.cache_folder import cache_folder
from gosonde_agent.model.errors import (
    BusyDebugRegistersError,
    NotPermittedError,
    TooManyThreadsError,
    UnprovedProbePointError,
)
from gosonde_agent.sources.ptrace.held_start import HeldStart
from gosonde_agent.sources.select import NOTHING, Choice, candidates, choose
from gosonde_agent.watch.monitor import Monitor

#: Why one source cannot watch a process that another may watch.
OF_THE_SOURCE = (BusyDebugRegistersError, NotPermittedError, TooManyThreadsError, UnprovedProbePointError)


def danger(source: str) -> str:
    """What a source can do to a process, for people, by its name; empty where it can do nothing."""
    return next((one.kind.danger for one in candidates(cache_folder()) if one.kind.name == source), "")


def chosen(source: str) -> Choice:
    """The source of this name, or the best that the host allows where it is empty.

    Raises:
        GosondeError: There is none.
    """
    return choose(candidates(cache_folder()), source)


def attached(
    stack: contextlib.ExitStack,
    pid: int,
    source: str,
    known: Mapping[str, str] = NOTHING,
    held: HeldStart | None = None,
) -> tuple[Choice, Monitor]:
    """The best source that this process can be watched by, and what watches it; the stack closes it.

    Args:
        known: As `choose`.
        held: The process, where it stands before its first instruction: it is let go for a source that needs that.

    Raises:
        GosondeError: It cannot be watched.
    """
    among = candidates(cache_folder(), pid, stands=held is not None and held.stands)
    refused = dict(known)
    while True:
        choice = choose(among, source, refused)
        if held is not None and not choice.kind.counts_held:
            held.let_go()
        standing = (pid,) if held is not None and held.stands else ()
        monitor = stack.enter_context(watching(choice, Selection(pids=frozenset({pid})), standing))
        try:
            monitor.finder.watch(pid)
        except OF_THE_SOURCE as error:
            if source:
                raise
            refused = {**choice.refused, choice.kind.name: str(error)}
        else:
            return choice, monitor


@contextlib.contextmanager
def watching(choice: Choice, selection: Selection, standing: Collection[int] = ()) -> Iterator[Monitor]:
    """What watches by a source, also processes that stand before their first instruction; the source is closed."""
    monitor = Monitor(choice.source, selection, costs=choice.kind.hit_costs, standing=standing)
    try:
        yield monitor
    finally:
        monitor.close()
