"""On any heap, the search backwards accuses exactly whom a walk forwards from the roots does not reach."""

import numpy as np
from gosonde_agent.sources.memory.reachability.bitmap import Bitmap
from gosonde_agent.sources.memory.reachability.heap_pass import in_order, pointerful
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.processors import Processors
from gosonde_agent.sources.memory.reachability.regions import RegionReader
from gosonde_agent.sources.memory.reachability.search import Ground, Search
from gosonde_agent.sources.memory.reachability.suspects import Suspects

from tests.unit.agent.sources.memory.reachability.fake_process import FakeProcess

SIZE, OBJECTS, GOROUTINES = 32, 256, 12
NO_PROCESSORS = Processors(np.zeros(0, np.uint64), 0, (np.zeros(0, np.uint64), np.zeros(0, np.int64)))


class Heap:
    """Objects with pointers at random, goroutines that wait for some and hold others, and a few roots."""

    def __init__(self, process: FakeProcess, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.process, self.start = process, process.span(SIZE)
        self.edges = [tuple(pair) for pair in random.integers(0, OBJECTS, (random.integers(20, 250), 2)).tolist()]
        for number, (holder, held) in enumerate(self.edges):
            # In one of four words, and into the middle of the object.
            process.write(self.address(holder) + 8 * (number % 4), self.address(held) + number % SIZE)
        self.edges = self.written()
        self.awaited = random.integers(0, OBJECTS, GOROUTINES)
        self.held = [tuple(pair) for pair in random.integers(0, (GOROUTINES, OBJECTS), (20, 2)).tolist()]
        self.rooted = random.integers(0, OBJECTS, 6)

    def address(self, number: int) -> int:
        return self.start + number * SIZE

    def written(self) -> list[tuple[int, int]]:
        """The pointers that were not written over."""
        last = {(holder, number % 4): held for number, (holder, held) in enumerate(self.edges)}
        return [(holder, held) for (holder, _word), held in last.items()]

    def lost(self) -> list[int]:
        """The goroutines that a walk from the roots does not reach."""
        alive, awake = set(self.rooted.tolist()), set[int]()
        while True:
            woken = {row for row, awaited in enumerate(self.awaited.tolist()) if awaited in alive}
            more = {held for row, held in self.held if row in woken}
            more |= {held for holder, held in self.edges if holder in alive}
            if more <= alive and woken <= awake:
                return sorted(set(range(GOROUTINES)) - awake)
            alive, awake = alive | more, awake | woken

    def accused(self, order: int, limits: Limits | None = None) -> list[int]:
        """The goroutines that the search does not find alive."""
        meter, heap = Meter(limits or Limits()), self.process.heap()
        held = np.array(sorted((held, row) for row, held in self.held))
        none = np.zeros(0, np.int64)
        suspects = Suspects(
            np.ones(GOROUTINES, np.bool_),
            (self.awaited, np.arange(GOROUTINES)),
            (none.astype(np.uint64), none),
            (none, none),
            (held[:, 0], held[:, 1].astype(np.int32)),
        )
        rooted = Bitmap(heap.count)
        rooted.add(self.rooted)
        ground = Ground(heap, in_order(pointerful(heap.spans), order), suspects, rooted, NO_PROCESSORS)
        found = Search(self.process.memory, RegionReader(self.process.memory), ground, meter).run()
        return np.flatnonzero(found.among(suspects.are, ~found.graph.alive)).tolist()


def test_the_search_accuses_whom_a_walk_from_the_roots_does_not_reach() -> None:
    several = 0
    for seed in range(60):
        with FakeProcess() as process:
            heap = Heap(process, seed)
            lost = heap.lost()
            several += 0 < len(lost) < GOROUTINES
            assert heap.accused(order=seed % 4) == lost, seed
    assert several > 20


def test_a_search_that_is_cut_off_accuses_nobody_who_is_held() -> None:
    for seed in range(20):
        with FakeProcess() as process:
            heap = Heap(process, seed)
            for limits in (Limits(levels=1), Limits(levels=2), Limits(front=3)):
                assert set(heap.accused(0, limits)) <= set(heap.lost())


def test_a_mixed_pass_reads_each_region_once_and_another_number_mixes_them_otherwise() -> None:
    starts, sizes = np.arange(1_000, dtype=np.uint64), np.arange(1_000)
    orders = []
    for number in (2, 3):
        mixed_starts, mixed_sizes = in_order((starts, sizes), number)
        assert sorted(mixed_sizes.tolist()) == sizes.tolist()
        assert np.array_equal(mixed_starts, mixed_sizes)
        assert abs(np.corrcoef(mixed_sizes, sizes)[0, 1]) < 0.1
        orders.append(mixed_sizes.tolist())
    assert orders[0] != orders[1]
