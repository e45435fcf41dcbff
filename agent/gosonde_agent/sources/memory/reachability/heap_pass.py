"""One pass over the part of the heap that holds pointers: who points to some objects."""

from collections.abc import Iterator

import numpy as np

from gosonde_agent.sources.memory.reachability.bitmap import Bitmap
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import Pointers, RegionReader, split
from gosonde_agent.sources.memory.reachability.rows import I64, U64
from gosonde_agent.sources.memory.reachability.spans import Spans


def pointerful(spans: Spans) -> tuple[U64, I64]:
    """(addresses, sizes in bytes) of the memory of spans whose objects hold pointers, with neighbours joined."""
    some = ~spans.noscan
    starts, ends = spans.start[some], spans.end[some]
    if not len(starts):
        return starts, np.zeros(0, np.int64)
    first = np.concatenate(([True], starts[1:] != ends[:-1]))
    last = np.concatenate((first[1:], [True]))
    return split(starts[first], (ends[last] - starts[first]).astype(np.int64))


def in_order(regions: tuple[U64, I64], order: int) -> tuple[U64, I64]:
    """The regions in the order of one scan: upwards (0), downwards (1), or mixed in a way that the number decides.

    A pointer that wanders through the heap always ahead of the pass in one order does not in another.
    """
    starts, sizes = regions
    if order == 0:
        return regions
    if order == 1:
        return starts[::-1], sizes[::-1]
    mixed = _mixed(len(starts), order)
    return starts[mixed], sizes[mixed]


def _mixed(count: int, number: int) -> I64:
    """int64[count]: places in an order that has nothing to do with theirs, another one for each number.

    By a hash of each (splitmix64): the generators of numpy would be imported for this alone, 3 MB.
    """
    keys = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(number << 40)) * np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(keys ^ (keys >> np.uint64(31)))


def pointers_to(
    reader: RegionReader, heap: HeapMap, regions: tuple[U64, I64], targets: I64, meter: Meter
) -> Iterator[Pointers]:
    """The words of regions that point to or into some objects, some at a time; `region` counts those given.

    Raises:
        GosondeError: As `RegionReader.windows`.
    """
    wanted = Bitmap(heap.count)
    wanted.add(targets)
    marks = heap.page_marks(targets)
    start, size = heap.extent(targets)
    low, length = start.min(), (start + size).max() - start.min()
    for window in reader.windows(*regions, meter):
        places = np.flatnonzero(window.words - low < length)
        places = places[marks[heap.page_of(window.words[places])] != 0]
        found = window.words[places]
        numbers = heap.numbers(found)
        hits = (numbers >= 0) & wanted.has(np.maximum(numbers, 0))
        region, at = window.places(places[hits])
        yield Pointers(region, at, found[hits], numbers[hits])
