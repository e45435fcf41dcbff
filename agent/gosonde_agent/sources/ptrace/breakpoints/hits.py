"""What is done at a hit, and nothing else: count it, do the hidden instruction, let the thread run on."""

import struct
import time
from collections.abc import Sequence

from gosonde_agent.sources.counters import UNATTRIBUTED
from gosonde_agent.sources.ptrace import calls
from gosonde_agent.sources.ptrace.breakpoints.emulation import emulate
from gosonde_agent.sources.ptrace.breakpoints.harm import Harm
from gosonde_agent.sources.ptrace.breakpoints.points import Breakpoint
from gosonde_agent.sources.ptrace.breakpoints.table import UNREADABLE, Table
from gosonde_agent.sources.ptrace.breakpoints.text import Text

WORD = struct.Struct("<Q")
CREATED, EXITED = 1, 2


class Hits:
    """Counts the hits of a process.

    Attributes:
        woken_ns: When the tracer began with the stops that it handles now, CLOCK_MONOTONIC.
        harm: What they have done lately.
    """

    def __init__(self, points: Sequence[Breakpoint], gopc: int, text: Text, table: Table) -> None:
        self.woken_ns = 0
        self.harm = Harm(time.monotonic())
        self._points = {point.address: point for point in points}
        self._all = points
        self._gopc = gopc
        self._text = text
        self._table = table
        self._words = calls.no_words()

    def hit(self, thread: int) -> bool:
        """Handles a thread that stands at a breakpoint, also at one that was taken out meanwhile; False elsewhere."""
        words = self._words
        if not calls.get_words(thread, words):
            return True
        point = self._points.get(words[calls.PC])
        if point is None:
            return False
        value = words[point.register]
        if point.probe == "created":
            self._table.add(value, CREATED)
        else:
            self._table.add(self._site(value), EXITED)
        if emulate(words, point, self._text.write):
            calls.set_words(thread, words)
        else:
            self._text.restore(self._all)  # it fails as it would have without anybody
        calls.run_on(thread, 0)
        self.harm.add(time.monotonic_ns() - self.woken_ns)
        return True

    def _site(self, g: int) -> int:
        """That of a goroutine that is about to end; its g is used again as soon as its thread runs on."""
        found = self._text.read(g + self._gopc, WORD.size)
        if len(found) != WORD.size:
            self._table.words[UNREADABLE] += 1
            return UNATTRIBUTED
        return int(WORD.unpack(found)[0])
