import random
from collections.abc import Iterator
from typing import Any, cast

import pytest
from gosonde_agent.golang.globals import Globals, read_symbols
from gosonde_agent.golang.pclntab import Function
from gosonde_agent.sources.memory.reachability.frames import Frames
from gosonde_agent.sources.memory.reachability.names import Namer, awaited_by
from gosonde_agent.sources.memory.reachability.paths import Path, Root, Step
from gosonde_agent.sources.memory.reachability.recognition import Recognition
from gosonde_agent.sources.memory.reachability.root_names import RootNames
from gosonde_agent.sources.memory.reachability.roots import GLOBAL, PROCESSOR, QUEUE, SPECIAL, STACK
from gosonde_agent.sources.memory.reachability.runtime_types import RuntimeTypes
from gosonde_agent.sources.memory.reachability.seen import MAX_TEXT

from tests.unit.agent.golang.elf_file import image
from tests.unit.agent.sources.memory.reachability.made_up import (
    SIZE,
    TYPES_END,
    Functions,
    MadeUp,
    no_goroutines,
)

POINTER, INT, SLICE, FUNCTION = 22, 2, 23, 19
DIRECT = 1 << 5
OBJECTS = TYPES_END + 0x100


@pytest.fixture
def made() -> Iterator[MadeUp]:
    found = MadeUp()
    yield found
    found.close()


def namer_of(made: MadeUp, *functions: Function) -> Namer:
    table = cast("Any", Functions(*functions))
    recognition = Recognition(made.runtime, table, RuntimeTypes(made.runtime, made.base, 27), 27)
    file = image({})
    roots = RootNames(made.runtime, Frames(made.runtime, table), Globals(file, read_symbols(file)), None, recognition)
    return Namer(made.runtime, roots, recognition)


def held(at: int, *steps: Step) -> Path:
    return Path(Root(GLOBAL, at, 0), steps)


def channel(made: MadeUp, offset: int, element: int, size: int = 8) -> Step:
    """A channel of a type at an offset; its step is the last one, for which `at` does not matter."""
    at = made.layout.fields("hchan")
    made.put(offset + at["elemtype"], element)
    made.put_bytes(offset + at["elemsize"], size.to_bytes(2, "little"))
    return Step(made.base + offset, 112, 0, 0)


def test_what_an_interface_holds_is_named_with_its_field(made: MadeUp) -> None:
    word = made.type("int", INT, 8)
    feed = made.struct("main.feed", 24, ("title", word, 0), ("out", word, 16))
    root = made.put(TYPES_END, made.type("*main.feed", POINTER, 8, feed, flags=DIRECT), made.base + OBJECTS) + 8
    last = channel(made, OBJECTS + 0x100, word)
    inner = Step(made.base + OBJECTS, 24, 0, root)
    path = held(root, inner, Step(last.address, last.size, 0, inner.address + 16))
    names = namer_of(made).name(path, no_goroutines(), "channel")
    assert names[1:] == ("main.feed.out", "channel of int")


def test_a_pointer_that_leads_elsewhere_by_now_says_nothing(made: MadeUp) -> None:
    word = made.type("int", INT, 8)
    pointer = made.type("*int", POINTER, 8, word, flags=DIRECT)
    outer = made.struct("main.outer", 16, ("inner", pointer, 0))
    root = made.put(TYPES_END, outer, made.base + OBJECTS) + 8
    made.put(OBJECTS, made.base + 0x10)
    first = Step(made.base + OBJECTS, 16, 0, root)
    path = held(root, first, Step(made.base + OBJECTS + 0x40, 64, 0, first.address))
    assert namer_of(made).name(path, no_goroutines())[1:] == ("main.outer.inner", "object of 64 bytes")


def test_a_closure_is_named_by_its_function(made: MadeUp) -> None:
    code = 0x401000
    closure = Step(made.put(OBJECTS, code, made.base), 16, 0, made.base)
    path = held(made.base, closure, Step(made.base + OBJECTS + 0x40, 96, 0, closure.address + 8))
    namer = namer_of(made, Function("main.hold.func1", code, code + 64))
    assert namer.name(path, no_goroutines(), "channel")[1:] == ("closure main.hold.func1", "channel")
    inside = namer_of(made, Function("main.hold.func1", code - 16, code + 64))
    assert inside.name(path, no_goroutines(), "channel")[1:] == ("object of 16 bytes", "channel")


def test_a_lock_is_named_by_its_field_where_a_struct_has_one_of_its_kind(made: MadeUp) -> None:
    mutex, group = made.type("sync.Mutex", 25, 8), made.type("sync.WaitGroup", 25, 16)
    for fields, text in (
        ((("mu", mutex, 0), ("group", group, 8)), "main.guarded.mu"),
        ((("a", mutex, 0), ("b", mutex, 8)), "main.guarded"),
    ):
        root = made.put(TYPES_END, made.struct("main.guarded", 24, *fields), made.base + OBJECTS) + 8
        path = held(root, Step(made.base + OBJECTS, 24, 0, root))
        assert namer_of(made).name(path, no_goroutines(), "sync.Mutex")[1:] == (text,)


def test_roots_without_a_name_are_told_by_their_kind(made: MadeUp) -> None:
    namer = namer_of(made)
    step = Step(made.base + OBJECTS, 48, 0, 0)
    at = made.base + 0x20

    def root(kind: int) -> str:
        return namer.name(Path(Root(kind, at, 5), (step,)), no_goroutines())[0]

    assert root(GLOBAL) == f"variable at {at:#x}"
    assert root(STACK) == "stack of a goroutine"
    assert root(PROCESSOR) == "scheduler"
    assert root(QUEUE) == "queued finalizer or cleanup"
    assert root(SPECIAL) == "finalizer, cleanup or weak pointer"


def test_a_special_is_told_by_its_kind(made: MadeUp) -> None:
    kinds = made.layout.special_kinds
    step = Step(made.base + OBJECTS, 48, 0, 0)
    for kind, name in (("Finalizer", "finalizer"), ("Cleanup", "cleanup"), ("WeakHandle", "weak pointer")):
        at = made.put_bytes(TYPES_END + made.layout.offset("special", "kind"), bytes([kinds[kind]]))
        path = Path(Root(SPECIAL, at - made.layout.offset("special", "kind"), 0), (step,))
        assert namer_of(made).name(path, no_goroutines())[0] == name


def test_texts_are_bounded_whatever_types_are_called(made: MadeUp) -> None:
    word = made.type("int", INT, 8)
    outer = made.struct("main." + "x" * 900, 16, ("y" * 120, made.struct("z", 8, ("w" * 120, word, 0)), 0))
    root = made.put(TYPES_END, outer, made.base + OBJECTS) + 8
    first = Step(made.base + OBJECTS, 16, 0, root)
    path = held(root, first, Step(made.base + OBJECTS + 0x40, 64, 0, first.address))
    names = namer_of(made).name(path, no_goroutines())
    assert all(len(name) <= MAX_TEXT for name in names)
    assert names[1].startswith("main.xxx")
    assert names[1].endswith("…")


def test_a_way_of_more_steps_than_a_scan_finds_is_cut(made: MadeUp) -> None:
    steps = [Step(made.base + OBJECTS, 16, 0, made.base + OBJECTS)] * 10_000
    assert len(namer_of(made).name(held(made.base, *steps), no_goroutines())) < 100


@pytest.mark.parametrize("seed", range(8))
def test_objects_of_any_bytes_are_named_somehow(made: MadeUp, seed: int) -> None:
    chance = random.Random(seed)
    words = (made.type("int", INT, 8), made.base, 0, 1 << 63)
    kinds = [made.type("?", kind, 8, *(chance.choice(words) for _ in range(4))) for kind in range(32)]
    known = [*kinds, made.base, made.base + OBJECTS, 0, 8, (1 << 64) - 1]
    namer = namer_of(made, Function("main.f", made.base, made.base + SIZE))

    def anywhere() -> int:
        return made.base + OBJECTS + chance.randrange(0, 4_096, 8)

    for _ in range(300):
        made.put(OBJECTS, *(chance.choice(known) for _ in range(512)))
        count = chance.randrange(1, 8)
        steps = tuple(Step(anywhere(), chance.choice((8, 112, 1_024)), 0, anywhere()) for _ in range(count))
        root = Root(chance.choice((GLOBAL, STACK, PROCESSOR, SPECIAL, QUEUE)), anywhere(), 1)
        awaited = chance.choice(("", "channel", "sync.Mutex"))
        names = namer.name(Path(root, steps), no_goroutines(), awaited)
        assert all(0 < len(name) <= MAX_TEXT for name in names)


@pytest.mark.parametrize(
    ("reason", "awaited"),
    [
        ("chan receive", "channel"),
        ("select", "channel"),
        ("sync.Mutex.Lock", "sync.Mutex"),
        ("sync.RWMutex.RLock", "sync.RWMutex"),
        ("semacquire", "semaphore"),
        ("select (no cases)", ""),
    ],
)
def test_a_wait_reason_says_what_is_awaited(reason: str, awaited: str) -> None:
    assert awaited_by(reason) == awaited
