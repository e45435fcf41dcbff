"""Lists of a process that never end, or lead nowhere, cost a typed error."""

import numpy as np
import pytest
from gosonde_agent.golang.special_kinds import special_kinds
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.heap_chains import Chain
from gosonde_agent.sources.memory.reachability.awaited import SudogLayout, awaited_channels
from gosonde_agent.sources.memory.reachability.headers import Goroutines, HeaderReader
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter, NotDecidedError
from gosonde_agent.sources.memory.reachability.modules import read_modules
from gosonde_agent.sources.memory.reachability.processors import read_processors
from gosonde_agent.sources.memory.reachability.queues import queued
from gosonde_agent.sources.memory.reachability.specials import SpecialReader

from tests.unit.agent.sources.memory.reachability.fake_process import FakeProcess

#: Below every program, above what the kernel never maps: a large heap of the test itself grows over higher addresses.
NOWHERE = 0x0020_0000


def with_goroutine(process: FakeProcess, **fields: int) -> int:
    """A list of one goroutine that waits."""
    sizes = {"atomicstatus": 4, "waitreason": 1}
    g = process.fill("g", {"atomicstatus": 4, "goid": 7, **fields}, sizes)
    header = process.pointers(process.pointers(g), 1, 1)
    process.addresses |= {"allgs": header, "allglen": header + 8}
    return g


def goroutines(process: FakeProcess) -> Goroutines:
    return HeaderReader(process.runtime).read(Meter(Limits()))


def test_sudogs_in_a_circle_are_not_decided() -> None:
    with FakeProcess() as process:
        g = with_goroutine(process)
        sudog = process.fill("sudog", {"g": g})
        process.write(sudog + process.layout.offset("sudog", "waitlink"), sudog)
        process.write(g + process.layout.offset("g", "waiting"), sudog)
        layout, meter = SudogLayout(process.layout), Meter(Limits(edges=1_000))
        with pytest.raises(NotDecidedError, match="channels"):
            awaited_channels(process.memory, layout, goroutines(process), np.array([0]), meter)


def test_a_sudog_of_another_goroutine_says_nothing_of_this_one() -> None:
    with FakeProcess() as process:
        sudog = process.fill("sudog", {"g": NOWHERE, "c": 0x1000})
        with_goroutine(process, waiting=sudog)
        found = awaited_channels(
            process.memory, SudogLayout(process.layout), goroutines(process), np.array([0]), Meter(Limits())
        )
        assert found.address.tolist() == [1]


def test_a_stack_that_cannot_be_is_refused() -> None:
    with FakeProcess() as process:
        with_goroutine(process, **{"stack.lo": 0x2000, "stack.hi": 0x1000})
        with pytest.raises(ImplausibleMemoryError, match="stack"):
            goroutines(process)


def specials(process: FakeProcess, limits: Limits | None = None) -> list[int]:
    """What the specials of the only span point to."""
    heap, meter = process.heap(), Meter(limits or Limits())
    reader = SpecialReader(process.runtime, special_kinds(process.layout))
    return [target for found in reader.pointers(heap, meter) for target in found.target.tolist()]


def test_the_object_of_a_finalizer_is_a_root_and_that_of_a_sample_is_not() -> None:
    with FakeProcess() as process:
        kinds = process.layout.special_kinds
        sample = process.fill("special", {"offset": 64, "kind": kinds["Profile"]}, {"kind": 1})
        values = {"special.next": sample, "special.offset": 128 + 8, "special.kind": kinds["Finalizer"]}
        finalizer = process.fill("specialfinalizer", values, {"special.kind": 1})
        start = process.span(64, specials=finalizer)
        process.write(finalizer + process.layout.offset("specialfinalizer", "fn"), start + 640)
        assert specials(process) == [2, 10]


def test_specials_in_a_circle_are_not_decided() -> None:
    with FakeProcess() as process:
        special = process.fill("special", {"kind": process.layout.special_kinds["Profile"]}, {"kind": 1})
        process.write(special + process.layout.offset("special", "next"), special)
        process.span(64, specials=special)
        with pytest.raises(NotDecidedError, match="finalizers"):
            specials(process, Limits(specials=500))


def test_a_special_of_an_unknown_kind_is_not_decided() -> None:
    with FakeProcess() as process:
        process.span(64, specials=process.fill("special", {"kind": 77}, {"kind": 1}))
        with pytest.raises(NotDecidedError, match="kind 77"):
            specials(process)


def test_a_special_that_is_not_mapped_is_refused() -> None:
    with FakeProcess() as process:
        process.span(64, specials=NOWHERE)
        with pytest.raises(ImplausibleMemoryError, match="special"):
            specials(process)


#: Blocks of 64 bytes that begin with the address of the next one and have room for three words.
CHAIN = Chain(head=8, link=0, count=8, first=16, size=8, capacity=3)


def test_blocks_of_finalizers_in_a_circle_are_read_once() -> None:
    with FakeProcess() as process:
        first, second = process.room(64), process.room(64)
        process.write(first, second)
        process.write(second, first)
        starts, sizes = queued(process.runtime, [(process.pointers(NOWHERE, first), CHAIN)])
        assert starts.tolist() == [first + 16, second + 16]
        assert sizes.tolist() == [24, 24]


def test_blocks_of_finalizers_that_are_not_mapped_are_refused() -> None:
    with FakeProcess() as process, pytest.raises(UnreadableMemoryError):
        queued(process.runtime, [(process.pointers(0, NOWHERE), CHAIN)])


def module(process: FakeProcess, **fields: int) -> int:
    data, mask = process.room(128), process.pointers(0b101)
    values = {"data": data, "edata": data + 64, "bss": data + 64, "ebss": data + 128}
    values |= {"gcdatamask.bytedata": mask, "gcbssmask.bytedata": mask}
    return process.fill("moduledata", values | fields)


def test_only_words_that_are_pointers_by_their_types_count() -> None:
    with FakeProcess() as process:
        second = module(process)
        parts = [part for found in read_modules(process.runtime, module(process, next=second)) for part in found.parts]
        assert len(parts) == 4
        words = np.arange(parts[0].start, parts[0].start + parts[0].size, 8, dtype=np.uint64)
        assert parts[0].may_hold(words).tolist() == [True, False, True, *[False] * 5]


def test_modules_in_a_circle_are_refused() -> None:
    with FakeProcess() as process:
        first = module(process)
        process.write(first + process.layout.offset("moduledata", "next"), first)
        with pytest.raises(ImplausibleMemoryError, match="modules"):
            list(read_modules(process.runtime, first))


@pytest.mark.parametrize("fields", [{"edata": 1}, {"ebss": 1 << 50}, {"data": 0}], ids=str)
def test_globals_that_cannot_be_are_refused(fields: dict[str, int]) -> None:
    with FakeProcess() as process, pytest.raises(ImplausibleMemoryError, match="globals"):
        list(read_modules(process.runtime, module(process, **fields)))


def processor(process: FakeProcess, room: int) -> int:
    timers = process.room(64)
    p = process.fill("p", {"timers.heap.array": timers, "timers.heap.cap": room})
    process.addresses["allp"] = process.pointers(process.pointers(p), 1, 1)
    return timers


def test_timers_are_read_and_what_the_collector_left_in_a_p_is_not() -> None:
    with FakeProcess() as process:
        timers = processor(process, 4)
        found = read_processors(process.runtime)
        starts, sizes = found.regions
        assert (timers, 64) in zip(starts.tolist(), sizes.tolist(), strict=True)
        left = [found.at[0] + np.uint64(process.layout.offset("p", name)) for name in ("gcw", "wbBuf.buf", "pcache")]
        assert not any(((starts <= at) & (at < starts + sizes.astype(np.uint64))).any() for at in left)
        assert found.holds(np.array([*left, found.at[0] - np.uint64(1)])).tolist() == [True, True, True, False]


def test_more_timers_than_there_can_be_are_refused() -> None:
    with FakeProcess() as process:
        processor(process, 1 << 60)
        with pytest.raises(ImplausibleMemoryError, match="timers"):
            read_processors(process.runtime)
