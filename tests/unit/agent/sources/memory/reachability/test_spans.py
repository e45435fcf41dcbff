"""What a process says of its spans is checked, and addresses are found in them again."""

import numpy as np
import pytest
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.allocated import allocated
from gosonde_agent.sources.memory.reachability.limits import Limits, NotDecidedError
from gosonde_agent.sources.memory.reachability.spans import PAGE

from tests.unit.agent.sources.memory.reachability.fake_process import FakeProcess


@pytest.mark.parametrize("version", [GoVersion(22, 10), GoVersion(24, 11), GoVersion(27, 3)], ids=str)
def test_an_address_is_found_in_the_object_that_it_lies_in(version: GoVersion) -> None:
    with FakeProcess(version) as process:
        first = process.span(48, pages=2)
        second = process.span(3 * PAGE, pages=3, noscan=1)
        heap = process.heap()
        words = [first, first + 47, first + 48, first + 2 * PAGE - 1, second + 2 * PAGE, second - 1 - PAGE * 9, 0]
        numbers = heap.numbers(np.array(words, np.uint64))
        count = 2 * PAGE // 48
        # The rest of a span behind its last object belongs to none.
        assert numbers.tolist() == [0, 0, 1, -1, count, -1, -1]
        address, size = heap.extent(numbers[[0, 2, 4]])
        assert address.tolist() == [first, first + 48, second]
        assert size.tolist() == [48, 48, 3 * PAGE]


def test_arenas_that_lie_far_apart_take_no_room_for_what_is_between() -> None:
    with FakeProcess() as process:
        near, far = 0xC0_0000_0000, 0x7F00_0000_0000
        process.span(64, start=near)
        process.span(64, start=far)
        heap = process.heap()
        numbers = heap.numbers(np.array([near, far, far + 64, near + (1 << 30)], np.uint64))
        assert numbers.tolist() == [0, PAGE // 64, PAGE // 64 + 1, -1]
        assert len(heap.page_marks(numbers[:2])) == 3 << 13


def test_what_is_free_is_told_from_what_is_in_use() -> None:
    with FakeProcess() as process:
        bits = process.pointers(0b1000 << 8)
        process.span(1_024, freeindex=2, allocBits=bits + 1)
        heap = process.heap()
        assert allocated(process.memory, heap, np.arange(8)).tolist() == [True, True, False, True, *[False] * 4]


def test_bits_that_a_collection_has_replaced_meanwhile_say_nothing() -> None:
    with FakeProcess() as process:
        bits = process.pointers(0)
        process.span(1_024, freeindex=2, allocBits=bits)
        heap = process.heap()
        heap.spans.alloc_bits[0] += np.uint64(1)
        assert allocated(process.memory, heap, np.arange(8)).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"npages": 0},
        {"npages": 1 << 60},
        {"startAddr": 12_345},
        {"startAddr": 1 << 60},
        {"elemsize": 0},
        {"elemsize": 1 << 60},
        {"nelems": 0},
        {"nelems": 60_000},
    ],
    ids=str,
)
def test_a_span_that_cannot_be_is_refused(fields: dict[str, int]) -> None:
    with FakeProcess() as process:
        process.span(64, **fields)
        process.list_spans()
        with pytest.raises(ImplausibleMemoryError, match="is inconsistent"):
            process.read_spans()


def test_spans_that_overlap_are_refused() -> None:
    with FakeProcess() as process:
        start = process.span(64, pages=2)
        process.span(64, start=start + PAGE)
        process.list_spans()
        with pytest.raises(ImplausibleMemoryError, match="overlap"):
            process.read_spans()


@pytest.mark.parametrize("count", [0, 1 << 40, 1 << 60])
def test_a_list_of_spans_that_cannot_be_is_refused(count: int) -> None:
    with FakeProcess() as process:
        process.span(64)
        process.list_spans()
        process.write(process.mheap + process.layout.offset("mheap", "allspans") + 8, count)
        process.write(process.mheap + process.layout.offset("mheap", "allspans") + 16, count)
        with pytest.raises(ImplausibleMemoryError, match="spans"):
            process.read_spans()


def test_more_spans_or_objects_than_allowed_are_not_decided() -> None:
    with FakeProcess() as process:
        for _ in range(3):
            process.span(64)
        process.list_spans()
        with pytest.raises(NotDecidedError, match="spans"):
            process.read_spans(Limits(spans=2))
        with pytest.raises(NotDecidedError, match="objects"):
            process.heap(Limits(objects=300))


def test_spans_all_over_the_address_space_are_not_decided() -> None:
    with FakeProcess() as process:
        for number in range(1, 40):
            process.span(64, start=number << 40)
        with pytest.raises(NotDecidedError, match="bytes of heap"):
            process.heap(Limits(heap_bytes=38 << 26))


def test_large_objects_are_found_by_each_of_their_pages_across_arenas() -> None:
    with FakeProcess() as process:
        pages, start = 20_000, 0xC0_0000_0000 + (40 << 20)
        process.span(pages * PAGE, pages, start=start)
        process.span(64, start=start + pages * PAGE)
        heap = process.heap()
        every = start + np.arange(0, pages * PAGE, PAGE, dtype=np.uint64)
        assert heap.numbers(every).tolist() == [0] * pages
        assert int(heap.page_marks(np.array([0])).sum()) == pages
        assert heap.numbers(np.array([start + pages * PAGE + 64], np.uint64)).tolist() == [2]
