"""What is done at a hit, and nothing else: count it, do the hidden instruction, let the thread run on."""

import struct
import time

from gosonde_agent.sources.counters import UNATTRIBUTED
from gosonde_agent.sources.ptrace import calls
from gosonde_agent.sources.ptrace.breakpoints.emulation import emulate
from gosonde_agent.sources.ptrace.breakpoints.harm import Harm
from gosonde_agent.sources.ptrace.breakpoints.messages import Plan
from gosonde_agent.sources.ptrace.breakpoints.table import UNREADABLE, Table
from gosonde_agent.sources.ptrace.breakpoints.text import Text

WORD = struct.Struct("<Q")
CREATED, EXITED = 1, 2
#: The register of the first argument: at a creation, what the goroutine is to run.
FIRST = calls.NAMES.index("rax")


class Hits:
    """Counts the hits of a process.

    Attributes:
        woken_ns: When the tracer began with the stops that it handles now, CLOCK_MONOTONIC.
        harm: What they have done lately.
    """

    def __init__(self, plan: Plan, text: Text, table: Table) -> None:
        self.woken_ns = 0
        self.harm = Harm(time.monotonic())
        self._points = {point.address: point for point in plan.points}
        self._all = plan.points
        self._gopc, self._startpc = plan.gopc, plan.startpc
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
        if point.probe == "created":
            site = words[point.register]
            if self._table.add(site, CREATED):
                self._table.starts_at(site, self._word(words[FIRST]) or 0)
        else:
            self._exited(words[point.register])
        if emulate(words, point, self._text.write):
            calls.set_words(thread, words)
        else:
            self._text.restore(self._all)  # it fails as it would have without anybody
        calls.run_on(thread, 0)
        self.harm.add(time.monotonic_ns() - self.woken_ns)
        return True

    def _exited(self, g: int) -> None:
        """A goroutine is about to end; its g is used again as soon as its thread runs on."""
        site = self._word(g + self._gopc)
        if site is None:
            self._table.words[UNREADABLE] += 1
            site = UNATTRIBUTED
        if self._table.add(site, EXITED):
            self._table.starts_at(site, self._word(g + self._startpc) or 0)

    def _word(self, address: int) -> int | None:
        found = self._text.read(address, WORD.size)
        return int(WORD.unpack(found)[0]) if len(found) == WORD.size else None
