"""Objects of the heap that look like contexts which are not cancelled: by their size, and by what they hold."""

from dataclasses import dataclass, fields

import numpy as np

from gosonde_agent.sources.memory.contexts.interfaces import Interfaces
from gosonde_agent.sources.memory.contexts.types import WORD, ContextTypes
from gosonde_agent.sources.memory.contexts.values import ContextKind
from gosonde_agent.sources.memory.reachability.allocated import allocated
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, Rows, words
from gosonde_agent.sources.memory.reachability.spans import PAGE_BITS, Spans
from gosonde_agent.sources.memory.reader import ProcessMemory

#: The most that are told apart.
MOST = 1_000_000
#: Bytes of objects that are looked at together.
AT_ONCE = 8 << 20


@dataclass(frozen=True, slots=True)
class Candidates:
    """Objects, a row each, by address.

    Attributes:
        size: Bytes.
        parent: First word of the context that it was made from, as an interface.
        parent_data: Its second word.
        channel: Of Done; 0 where nobody has asked for it.
        children: Address of the map; 0 without any.
        timer: Of the *time.Timer; 0 without one.
        wall, ext: The first two words of its deadline, a time.Time; 0 without one.
    """

    at: U64
    size: I64
    parent: U64
    parent_data: U64
    channel: U64
    children: U64
    timer: U64
    wall: U64
    ext: U64

    def __len__(self) -> int:
        return len(self.at)

    def selected(self, which: Bools | I64) -> "Candidates":
        """Some rows."""
        return Candidates(*(getattr(self, field.name)[which] for field in fields(Candidates)))

    @staticmethod
    def joined(parts: list["Candidates"]) -> "Candidates":
        """All parts; there is at least one."""
        columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Candidates)]
        return Candidates(*columns)


class CandidateReader:
    """Looks for them in one process."""

    def __init__(self, memory: ProcessMemory, types: ContextTypes, interfaces: Interfaces) -> None:
        self._memory, self._types, self._interfaces = memory, types, interfaces
        self._sizes = sorted({kind.size for kind in types.kinds})
        self._with_deadline = max((kind.size for kind in types.kinds if kind.kind is ContextKind.DEADLINE), default=0)

    def read(self, heap: HeapMap, meter: Meter) -> Candidates:
        """All objects that may be contexts.

        Raises:
            NotDecidedError: They are too many.
            GosondeError: The process has ended, or may not be read.
        """
        parts = [self._parsed(np.zeros(0, np.uint64), np.zeros((0, size), np.uint8), size) for size in self._sizes[:1]]
        for size in self._sizes:
            spans = heap.spans.selected((heap.spans.element == np.uint64(size)) & ~heap.spans.noscan)
            several = max(AT_ONCE // (int(spans.pages.max(initial=1)) << PAGE_BITS), 1)
            for begin in range(0, len(spans), several):
                some = spans.selected(np.arange(begin, min(begin + several, len(spans))))
                parts.append(self._in(heap, some, size, meter))
                meter.bound("contexts", sum(map(len, parts)), MOST)
        found = Candidates.joined(parts)
        found = found.selected(np.argsort(found.at))
        return found.selected(allocated(self._memory, heap, heap.numbers(found.at)))

    def _in(self, heap: HeapMap, spans: Spans, size: int, meter: Meter) -> Candidates:
        counts = spans.count.astype(np.int64)
        meter.take(int(counts.sum()) * size)
        data, whole = self._memory.read_pieces(spans.start, counts * size)
        span = np.repeat(np.arange(len(spans)), counts)
        index = np.arange(len(span)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = data.reshape(-1, size)
        maybe = np.flatnonzero(whole[span] & self._may_be(heap, rows))
        at = spans.start[span[maybe]] + (index[maybe] * size).astype(np.uint64)
        found = self._parsed(at, rows[maybe], size)
        is_context = np.isin(self._interfaces.of(found.parent).interface, np.array(self._types.interfaces, np.uint64))
        return found.selected(is_context)

    def _may_be(self, heap: HeapMap, rows: Rows) -> Bools:
        """Which objects are contexts as far as they themselves say so, and are not cancelled."""
        at = self._types
        children, done, channel = words(rows, at.children), words(rows, at.done), words(rows, at.done + WORD)
        parent = words(rows, 0)
        found: Bools = (parent != 0) & ~heap.near(parent) & (words(rows, at.error) == 0)
        found &= (children == 0) | heap.near(children)
        found &= (done == 0) | (np.isin(done, np.array(at.channels, np.uint64)) & heap.near(channel))
        return found

    def _parsed(self, at: U64, rows: Rows, size: int) -> Candidates:
        types, none = self._types, np.zeros(len(at), np.uint64)
        has_deadline = size == self._with_deadline
        wall, ext = (words(rows, types.deadline + of) if has_deadline else none for of in (0, WORD))
        return Candidates(
            at,
            np.full(len(at), size, np.int64),
            words(rows, 0),
            words(rows, WORD),
            np.where(words(rows, types.done) != 0, words(rows, types.done + WORD), none),
            words(rows, types.children),
            words(rows, types.timer) if has_deadline else none,
            wall,
            ext,
        )
