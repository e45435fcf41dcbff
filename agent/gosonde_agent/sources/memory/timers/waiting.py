"""Who waits for what timers do: the function of the goroutine that receives from a channel, or that sleeps."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from gosonde_common.values.goroutines import GoroutineColumns, Kind

from gosonde_agent.sources.memory.layout import goroutine_layout
from gosonde_agent.sources.memory.reachability.awaited import SudogLayout
from gosonde_agent.sources.memory.reachability.rows import U64, words
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.timers.layout import WORD

#: A goroutine that waits for a timer has one of these wait reasons.
WAITS: Final = frozenset({"chan receive", "select", "sleep"})
SLEEP: Final = "time.Sleep"


class Waiting:
    """Reads who waits, in one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._memory = runtime.memory
        self._first = runtime.layout.offset("hchan", "recvq.first")
        self._sudog = SudogLayout(runtime.layout)
        self._goroutine = goroutine_layout(runtime.layout)

    def receivers(self, channels: U64) -> U64:
        """Address of the g that has waited longest to receive from each channel; 0 without one.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        different, which = np.unique(channels, return_inverse=True)
        first, whole = self._memory.read_each(different + np.uint64(self._first), WORD)
        sudogs = np.where(whole & (different != 0), words(first, 0), np.uint64(0))
        rows, whole = self._memory.read_each(sudogs, self._sudog.span)
        is_waiting = whole & (self._sudog.channel(rows) == different)
        return np.where(is_waiting, words(rows, self._sudog.goroutine), np.uint64(0))[which.reshape(-1)]

    def numbers(self, goroutines: U64) -> U64:
        """The goid of each g; 0 where there is none.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        different, which = np.unique(goroutines, return_inverse=True)
        rows, whole = self._memory.read_each(different, self._goroutine.span)
        is_one = whole & (words(rows, self._goroutine.itself) == different)
        return np.where(is_one, words(rows, self._goroutine.goid), np.uint64(0))[which.reshape(-1)]


def waiting_functions(blocks: Iterable[GoroutineColumns], wanted: U64) -> Mapping[int, str]:
    """By goid, the function that waits, of those goroutines that are wanted and wait."""
    goids = frozenset(wanted.tolist())
    found: dict[int, str] = {}
    names: dict[int, str] = {}
    for block in blocks:
        for kind, goid in zip(block.kinds, block.goids, strict=True):
            if goid in goids and kind.wait_reason in WAITS:
                found[goid] = names.get(id(kind)) or names.setdefault(id(kind), own_function(kind))
    return found


def own_function(kind: Kind) -> str:
    """The innermost that is neither the runtime's nor time.Sleep."""
    own = (at.function for at in kind.stack if not at.function.startswith("runtime.") and at.function != SLEEP)
    return next(own, "")
