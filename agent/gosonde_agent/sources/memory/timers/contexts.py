"""The contexts that deadlines end: a context.timerCtx, which the function that its timer calls has in its closure."""

from typing import Final

import numpy as np

from gosonde_agent.sources.memory.reachability.rows import U64, words
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.timers.layout import WORD, TimerLayout

#: Behind the code's address a closure has the context and, since Go 1.21, the cause.
CAPTURED: Final = (8, 16, 24)
#: context.cancelCtx begins with its parent, a lock and the channel of Done, an atomic.Value: its second word.
DONE: Final = 32
#: Of timerCtx.timer, behind cancelCtx, up to Go 1.19 and since.
TIMER: Final = (64, 80)
SPAN: Final = max(TIMER) + WORD
#: Of the timer in a time.Timer, since Go 1.23 and before.
IN_TIMER: Final = 16
IN_OLD_TIMER: Final = 8


class Contexts:
    """Finds them in one process. One is proved by its own timer: that is the one that leads to it."""

    def __init__(self, memory: ProcessMemory, layout: TimerLayout) -> None:
        self._memory = memory
        self._before = np.uint64(IN_TIMER if layout.has_channel_timers else IN_OLD_TIMER)

    def of(self, timers: U64, closures: U64) -> tuple[U64, U64]:
        """(the context of each timer, the channel of its Done); 0 where none is found, or nobody has asked for it.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        contexts, channels = np.zeros(len(timers), np.uint64), np.zeros(len(timers), np.uint64)
        captured, _whole = self._memory.read_each(closures, max(CAPTURED) + WORD)
        for offset in CAPTURED:
            maybe = words(captured, offset)
            rows, whole = self._memory.read_each(maybe, SPAN)
            is_its_own = np.zeros(len(timers), np.bool_)
            for place in TIMER:
                is_its_own |= words(rows, place) == timers - self._before
            found = whole & is_its_own & (contexts == 0)
            contexts[found], channels[found] = maybe[found], words(rows, DONE)[found]
        return contexts, channels
