"""Which objects of the heap are in use: what lies free may hold old pointers, and old pointers may lead to it."""

import numpy as np

from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.rows import I64, Bools, words
from gosonde_agent.sources.memory.reader import ProcessMemory


def allocated(memory: ProcessMemory, heap: HeapMap, numbers: I64) -> Bools:
    """Which objects were in use when the spans were read; those of which it is not known count as in use."""
    span, index = heap.index(numbers)
    used = index < heap.spans.free_index[span]
    rest = np.flatnonzero(~used)
    places = heap.spans.alloc_bits[span[rest]] + (index[rest] >> 3).astype(np.uint64)
    rows, whole = memory.read_each(places, 1)
    # Bits that a collection has replaced meanwhile may be used for something else by now.
    bits, readable = memory.read_each(heap.spans.bits_at[span[rest]], 8)
    known = whole & readable & (words(bits, 0) == heap.spans.alloc_bits[span[rest]])
    used[rest] = ((rows[:, 0] >> (index[rest] & 7).astype(np.uint8)) & 1 == 1) | ~known
    return used
