"""Proves in a process where the heap's list of spans and the queues of finalizers and cleanups are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.special_kinds import special_kinds
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.errors import NotLocatedError
from gosonde_agent.sources.memory.heap_candidates import HeapCandidates
from gosonde_agent.sources.memory.heap_chains import Chain, cleanup_chain, finalizer_chain, is_chain
from gosonde_agent.sources.memory.heap_spans import NO_SPANS, SpanSample, numbers, sample_spans
from gosonde_agent.sources.memory.proof import GOROUTINES_TRIED, only
from gosonde_agent.sources.memory.reader import ADDRESS_LIMIT
from gosonde_agent.sources.memory.runtime import Runtime

#: So many of the first spans that have specials must have true ones.
SPECIALS_TRIED = 64


@dataclass(frozen=True, slots=True)
class HeapAddresses:
    """Proved link-time addresses.

    Attributes:
        by: How they were found: "symbols", "DWARF" or "instructions".
        mheap: Of runtime.mheap_.
        allfin: Of runtime.allfin.
        cleanups: Of runtime.gcCleanups; 0 before Go 1.25, which queues cleanups as finalizers.
    """

    by: str
    mheap: int
    allfin: int
    cleanups: int


def prove_heap(runtime: Runtime, candidates: HeapCandidates) -> HeapAddresses:
    """The one candidate of each variable that holds what it must.

    A queue that was never used is empty, and proves nothing: then the binary must name one candidate alone.

    Raises:
        NotLocatedError: None or several hold it, or where the version keeps what is not known; the message names it.
        NoSuchProcessError: The process has ended, or runs another program.
    """
    try:
        finalizers, cleanups = finalizer_chain(runtime.layout), cleanup_chain(runtime.layout)
        heap = _Heap(runtime)
        mheap = only(runtime.pid, "mheap_", candidates.mheap, heap.holds)
        allfin = _queue(runtime, "allfin", candidates.allfin, finalizers, heap.spans)
        gc_cleanups = _queue(runtime, "gcCleanups", candidates.cleanups, cleanups, heap.spans) if cleanups else 0
    except UnsupportedBinaryError as error:
        raise NotLocatedError(f"the heap of process {runtime.pid} was not located: {error}") from error
    return HeapAddresses(candidates.by, mheap, allfin, gc_cleanups)


def _queue(runtime: Runtime, name: str, tried: Sequence[int], chain: Chain, spans: SpanSample) -> int:
    return only(runtime.pid, name, tried, lambda address: is_chain(runtime, address, chain, spans))


class _Heap:
    """Tries candidates for mheap_, and keeps the spans of the last one that held."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._goroutine_size = runtime.layout.size("g")
        self._kinds = special_kinds(runtime.layout).known
        self.spans = NO_SPANS

    def holds(self, address: int) -> bool:
        """Whether a link-time address is that of mheap_."""
        spans = sample_spans(self._runtime, address)
        if spans is None or not self._hold_goroutines(spans) or not self._have_specials(spans):
            return False
        self.spans = spans
        return True

    def _hold_goroutines(self, spans: SpanSample) -> bool:
        """Whether the first goroutines are objects in those spans: some at least, all where no other span exists."""
        allgs = self._runtime.addresses.allgs
        pointer, length = self._runtime.number(allgs), self._runtime.number(allgs + 8)
        raw = self._runtime.memory.read(pointer, min(length, GOROUTINES_TRIED) * 8)
        goroutines = np.frombuffer(raw, "<u8").tolist()
        inside = [g for g in goroutines if g < ADDRESS_LIMIT and spans.index_of(g) is not None]
        return (
            len(inside) > 0
            and (len(inside) == len(goroutines) or not spans.is_whole)
            and all(spans.begins_object(g, self._goroutine_size) for g in inside)
        )

    def _have_specials(self, spans: SpanSample) -> bool:
        """Whether what the spans call their first specials are specials of a kind that the version knows."""
        layout = self._runtime.layout
        kind_at, offset_at = layout.offset("special", "kind"), layout.offset("special", "offset")
        first = np.flatnonzero(spans.specials)[:SPECIALS_TRIED]
        rows, whole = self._runtime.memory.read_each(spans.specials[first], layout.size("special"))
        offsets = numbers(rows, offset_at, kind_at - offset_at)
        return (
            bool(whole.all())
            and self._kinds.issuperset(numbers(rows, kind_at, 1).tolist())
            and bool((offsets < (spans.ends - spans.starts)[first]).all())
        )
