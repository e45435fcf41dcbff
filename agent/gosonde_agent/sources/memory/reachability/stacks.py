"""The words of goroutines' stacks that point into the heap."""

from collections.abc import Iterator

import numpy as np

from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import Pointers, RegionReader
from gosonde_agent.sources.memory.reachability.rows import I64

EIGHT = np.uint64(7)


def stack_pointers(
    reader: RegionReader, heap: HeapMap, goroutines: Goroutines, rows: I64, meter: Meter
) -> Iterator[Pointers]:
    """What the stacks of some goroutines point to, some at a time; `region` is the row of each.

    Raises:
        GosondeError: As `RegionReader.pointers`.
    """
    low = (goroutines.used[rows] + EIGHT) & ~EIGHT
    sizes = (goroutines.high[rows].astype(np.int64) - low.astype(np.int64)) & ~7
    some = sizes > 0
    for found in reader.pointers(low[some], sizes[some], heap, meter):
        yield Pointers(rows[some][found.region], found.at, found.word, found.target)
