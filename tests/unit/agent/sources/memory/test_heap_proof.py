"""A heap is taken for one only when it is: a process that lies about it costs a typed error, and bounded work."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.sources.memory.errors import NotLocatedError
from gosonde_agent.sources.memory.heap_candidates import HeapCandidates
from gosonde_agent.sources.memory.heap_chains import cleanup_chain, finalizer_chain
from gosonde_agent.sources.memory.heap_proof import HeapAddresses, prove_heap

from tests.unit.agent.sources.memory.fake_heap import GOROUTINE_BYTES, HEAP, PAGE, FakeHeap

NOT_MAPPED = 1 << 46


@pytest.fixture
def heap() -> Iterator[FakeHeap]:
    """A sound one."""
    with FakeHeap() as made:
        yield made


def proved(heap: FakeHeap) -> HeapAddresses:
    return prove_heap(heap.runtime, HeapCandidates("symbols", [heap.mheap], [heap.allfin], [heap.cleanups]))


def link(heap: FakeHeap) -> None:
    """Puts a block in each queue."""
    heap.write(heap.allfin, heap.block)
    heap.field("cleanupQueue", "all", heap.cleanups, heap.cleanup_block)


def test_a_sound_heap_is_proved_with_empty_queues_and_with_full_ones(heap: FakeHeap) -> None:
    expected = HeapAddresses("symbols", heap.mheap, heap.allfin, heap.cleanups)
    assert proved(heap) == expected
    link(heap)
    heap.field("finBlock", "cnt", heap.block, 101, size=4)
    heap.field("cleanupBlock", "cleanupBlockHeader.n", heap.cleanup_block, 20, size=4)
    assert proved(heap) == expected


def test_among_several_addresses_the_one_that_holds_a_heap_is_proved(heap: FakeHeap) -> None:
    tried = [heap.mheap + 8, NOT_MAPPED, heap.mheap, heap.mheap - 8]
    candidates = HeapCandidates("instructions", tried, [heap.allfin], [heap.cleanups])
    assert prove_heap(heap.runtime, candidates).mheap == heap.mheap


@pytest.mark.parametrize(
    ("field", "value", "size"),
    [
        ("startAddr", HEAP + 8, 8),
        ("startAddr", HEAP + PAGE, 8),  # the next one is there
        ("startAddr", 0, 8),
        ("startAddr", (1 << 64) - PAGE, 8),
        ("npages", 0, 8),
        ("npages", 2, 8),
        ("npages", 1 << 60, 8),
        ("elemsize", 0, 8),
        ("elemsize", GOROUTINE_BYTES + 8, 8),
        ("elemsize", 1 << 63, 8),
        ("nelems", 0, 2),
        ("nelems", PAGE // GOROUTINE_BYTES + 1, 2),
        ("freeindex", 0xFFFF, 2),
        ("allocBits", 0, 8),
        ("allocBits", 12, 8),
        ("specials", 12, 8),
        ("specials", NOT_MAPPED, 8),
        ("state", 0, 1),
        ("state", 7, 1),
    ],
)
def test_a_span_that_cannot_be_one_is_no_heaps(heap: FakeHeap, field: str, value: int, size: int) -> None:
    heap.field("mspan", field, heap.spans[0], value, size)
    with pytest.raises(NotLocatedError, match=r"runtime\.mheap_ was not located .*0 of 1"):
        proved(heap)


@pytest.mark.parametrize(
    "damage",
    [
        lambda heap: heap.write(heap.allspans, NOT_MAPPED),
        lambda heap: heap.write(heap.allspans, heap.list + 1),
        lambda heap: heap.write(heap.allspans + 8, 0),
        lambda heap: heap.write(heap.allspans + 8, 5),  # longer than its capacity
        lambda heap: [heap.write(heap.allspans + at, 1 << 60) for at in (8, 16)],
        lambda heap: [heap.write(heap.allspans + at, 1 << 28) for at in (8, 16)],  # its end is not mapped
        lambda heap: heap.write(heap.list, heap.spans[1]),  # a span twice
        lambda heap: heap.write(heap.list, heap.spans[0] + 4),
        lambda heap: heap.write(heap.list, NOT_MAPPED),
        lambda heap: heap.write(heap.allgs + 8, 0),
        lambda heap: heap.field("special", "kind", heap.special, 99, size=1),
        lambda heap: heap.field("special", "kind", heap.special, 0, size=1),
        lambda heap: heap.field("special", "offset", heap.special, PAGE),
    ],
)
def test_a_list_of_spans_that_contradicts_itself_is_no_heaps(
    heap: FakeHeap, damage: Callable[[FakeHeap], object]
) -> None:
    damage(heap)
    with pytest.raises(NotLocatedError, match=r"runtime\.mheap_ was not located .*0 of 1"):
        proved(heap)


@pytest.mark.parametrize("goroutine", [0, NOT_MAPPED, HEAP + 16, HEAP + 4 * PAGE, (1 << 64) - 8])
def test_goroutines_that_are_no_objects_of_the_spans_disprove_a_heap(heap: FakeHeap, goroutine: int) -> None:
    heap.write(heap.runtime.number(heap.allgs), goroutine)
    with pytest.raises(NotLocatedError, match=r"runtime\.mheap_ was not located"):
        proved(heap)


@pytest.mark.parametrize("block", [12, NOT_MAPPED, HEAP, (1 << 64) - 8])
def test_a_queue_that_leads_into_the_heap_or_to_nowhere_is_none(heap: FakeHeap, block: int) -> None:
    heap.write(heap.allfin, block)
    with pytest.raises(NotLocatedError, match=r"runtime\.allfin was not located"):
        proved(heap)
    heap.write(heap.allfin, 0)
    heap.field("cleanupQueue", "all", heap.cleanups, block)
    with pytest.raises(NotLocatedError, match=r"runtime\.gcCleanups was not located"):
        proved(heap)


def test_blocks_in_a_circle_and_blocks_fuller_than_they_can_be_are_no_queue(heap: FakeHeap) -> None:
    link(heap)
    heap.field("finBlock", "alllink", heap.block, heap.block)
    with pytest.raises(NotLocatedError, match=r"runtime\.allfin was not located"):
        proved(heap)
    heap.field("finBlock", "alllink", heap.block, 0)
    heap.field("finBlock", "cnt", heap.block, 102, size=4)
    with pytest.raises(NotLocatedError, match=r"runtime\.allfin was not located"):
        proved(heap)
    heap.field("finBlock", "cnt", heap.block, 0, size=4)
    heap.field("cleanupBlock", "cleanupBlockHeader.n", heap.cleanup_block, 21, size=4)
    with pytest.raises(NotLocatedError, match=r"runtime\.gcCleanups was not located"):
        proved(heap)


def test_of_two_empty_queues_none_is_guessed(heap: FakeHeap) -> None:
    candidates = HeapCandidates("instructions", [heap.mheap], [heap.allfin, heap.block], [heap.cleanups])
    with pytest.raises(NotLocatedError, match=r"runtime\.allfin was not located .*2 of 2"):
        prove_heap(heap.runtime, candidates)


def test_what_the_version_does_not_tell_is_refused_by_name(heap: FakeHeap) -> None:
    candidates = HeapCandidates("symbols", [heap.mheap], [heap.allfin], [heap.cleanups])
    for missing in ("mheap", "mspan", "finBlock", "cleanupQueue"):
        structures = {name: fields for name, fields in heap.layout.structures.items() if name != missing}
        runtime = replace(heap.runtime, layout=replace(heap.layout, structures=structures))
        with pytest.raises(NotLocatedError, match="is not known"):
            prove_heap(runtime, candidates)
    runtime = replace(heap.runtime, layout=replace(heap.layout, special_kinds={}))
    with pytest.raises(NotLocatedError, match="kinds of specials are not known"):
        prove_heap(runtime, candidates)


def test_cleanups_have_a_queue_of_their_own_since_go_1_25() -> None:
    before, after, now = (layout_of(GoVersion(*version)) for version in ((24, 11), (25, 5), (27, 3)))
    assert cleanup_chain(before) is None
    older, newer = cleanup_chain(after), cleanup_chain(now)
    assert older
    assert newer
    assert (older.size, older.capacity) == (8, 60)
    assert (newer.size, newer.capacity) == (24, 20)
    assert {finalizer_chain(layout).capacity for layout in (before, after, now)} == {101}
