"""Which words of small objects are no pointers, by the bits that the runtime keeps for its collector since Go 1.22.

What is left of an object's room behind its last field, and numbers that look like addresses (the end of a stack is
where the next span begins), hold nothing. The bits lie at the end of each span of objects of at most 512 bytes
(spanHeapBitsRange in runtime/mbitmap.go); since Go 1.25 there may be others behind them. Where they are is proved by
contexts, of which it is known which words are pointers.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from gosonde_agent.sources.memory.contexts.candidates import Candidates
from gosonde_agent.sources.memory.contexts.types import WORD, ContextTypes
from gosonde_agent.sources.memory.goroutines import GoroutineReader
from gosonde_agent.sources.memory.layout import goroutine_layout
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.processors import Processors
from gosonde_agent.sources.memory.reachability.rows import U64, Bools, among, joined
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

#: Larger objects have no such bits.
MOST_BYTES: Final = 512
#: sizeof(runtime.spanInlineMarkBits), which may be behind the bits of objects that are not smaller.
BEHIND: Final = (0, 128)
LEAST_WITH_OTHERS: Final = 16
#: So many contexts prove where the bits are.
SOME: Final = 1_024
#: Some are made or freed just then.
MOST_OF: Final = 0.75
NOT_FOUND: Final = -1


@dataclass(frozen=True, slots=True)
class PointerWords:
    """What is known of one process's heap.

    Attributes:
        behind: Bytes between the bits and the end of a span; NOT_FOUND where there are none.
        ends: Where goroutines say that their stacks end, in order; it is enough to know where there are no bits.
    """

    memory: ProcessMemory
    heap: HeapMap
    behind: int
    ends: U64

    def are_none(self, addresses: U64) -> Bools:
        """Which words of the heap are known to be no pointers.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        if self.behind == NOT_FOUND:
            return among(addresses, self.ends)
        none = np.zeros(len(addresses), np.bool_)
        numbers = self.heap.numbers(addresses)
        known = np.flatnonzero(numbers >= 0)
        spans, span = self.heap.spans, self.heap.span_of(numbers[known])
        small = spans.element[span] <= np.uint64(MOST_BYTES)
        known, span = known[small], span[small]
        size = spans.end[span] - spans.start[span]
        word = (addresses[known] - spans.start[span]) // np.uint64(WORD)
        behind = np.where(spans.element[span] < np.uint64(LEAST_WITH_OTHERS), np.uint64(0), np.uint64(self.behind))
        at = spans.end[span] - behind - size // np.uint64(8 * WORD) + (word >> np.uint64(3))
        rows, whole = self.memory.read_each(at, 1)
        none[known] = whole & ((rows[:, 0] >> (word & np.uint64(7)).astype(np.uint8)) & 1 == 0)
        return none


@dataclass(frozen=True, slots=True)
class Passed(Processors):
    """What is passed over when pointers are looked for: the Ps, and words that are no pointers."""

    words: PointerWords

    def holds(self, addresses: U64) -> Bools:
        """Which addresses are of words that hold nothing, or that are roots."""
        passed: Bools = Processors.holds(self, addresses) | self.words.are_none(addresses)
        return passed


def pointer_words(runtime: Runtime, heap: HeapMap, types: ContextTypes, contexts: Candidates) -> PointerWords:
    """Where the bits are, if some contexts prove one place; else where stacks end.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    # An interface's first word leads out of the heap, and is none to the collector.
    pointers = (WORD, types.done + WORD, types.children, types.error + WORD)
    others = (0, 2 * WORD, types.done, types.error)
    at, nowhere = contexts.at[:SOME], np.zeros(0, np.uint64)

    def agrees(words: PointerWords) -> bool:
        hold = [~words.are_none(at + np.uint64(offset)) for offset in pointers]
        hold_not = [words.are_none(at + np.uint64(offset)) for offset in others]
        return bool(len(at)) and bool(np.all([*hold, *hold_not], axis=0).mean() > MOST_OF)

    maybe = [PointerWords(runtime.memory, heap, behind, nowhere) for behind in BEHIND]
    places = [words for words in maybe if agrees(words)]
    return places[0] if len(places) == 1 else PointerWords(runtime.memory, heap, NOT_FOUND, _stack_ends(runtime))


def _stack_ends(runtime: Runtime) -> U64:
    """Addresses of runtime.g.stack.hi of all goroutines, also of those that have ended."""
    hi = np.uint64(goroutine_layout(runtime.layout).stack_hi)
    return np.sort(joined([at + hi for at, _gopc in GoroutineReader(runtime, None).creations()]))
