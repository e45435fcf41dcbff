"""What the compiler says of a build is stored once, comes back file by file, and makes room for what is newer."""

from dataclasses import replace
from itertools import count

import pytest
from gosonde_collector.evidence.escapes.model import EXPRESSION, VARIABLE, Escapes, Function, Value
from gosonde_collector.store import escape_outputs
from gosonde_collector.store.protocol import Store

from tests.unit.collector.batches import SECOND, batch
from tests.unit.collector.stores import OpenStore

HOUR = 3_600 * SECOND
VALUES = (
    Value("shop", "./main.go", 7, 2, VARIABLE, "n", "captured by a closure at line 9", "leak", ("f", "g")),
    Value("shop/a", "a/\u202e.go", 8, 0, EXPRESSION, "&job{...}"),
)
OUTPUT = Escapes(VALUES, (Function("shop", "./main.go", 3, "leak"),), is_detailed=True)


def test_an_output_comes_back_by_the_names_of_its_files(store: Store) -> None:
    assert not store.save_escapes("build", OUTPUT)
    read = store.escapes("build", ["main.go", "\u202e.go", "other.go"])
    assert read
    assert (read.escapes, read.stored_unix_nano > 0) == (OUTPUT, True)
    one = store.escapes("build", ["main.go"])
    assert one
    assert (one.escapes.values, one.escapes.functions) == (VALUES[:1], OUTPUT.functions)
    assert store.escapes("another build", ["main.go"]) is None


def test_a_newer_output_takes_the_place_of_the_older_and_may_be_empty(store: Store) -> None:
    store.save_escapes("build", OUTPUT)
    assert store.save_escapes("build", replace(OUTPUT, values=VALUES[1:], functions=(), is_detailed=False))
    read = store.escapes("build", ["main.go", "\u202e.go"])
    assert read
    assert read.escapes == Escapes(VALUES[1:])
    store.save_escapes("build", Escapes())
    empty = store.escapes("build", ["main.go"])
    assert empty
    assert empty.escapes == Escapes()


@pytest.fixture
def counting(open_one: OpenStore) -> Store:
    """A store whose clock is at 1 hour, 2 hours and so on."""
    clock = count(1)
    return open_one(now=lambda: HOUR * next(clock))


@pytest.mark.parametrize(("limit", "kept"), [("MOST_BUILDS", 3), ("MOST_ROWS", 9)])
def test_the_outputs_that_came_first_make_room(
    counting: Store, monkeypatch: pytest.MonkeyPatch, limit: str, kept: int
) -> None:
    monkeypatch.setattr(escape_outputs, limit, kept)
    for number in range(5):
        counting.save_escapes(f"build {number}", OUTPUT)
    assert [number for number in range(5) if counting.escapes(f"build {number}", ["main.go"])] == [2, 3, 4]


def test_an_old_output_is_kept_while_a_process_of_its_build_is_known(counting: Store) -> None:
    for build in ("build", "forgotten"):
        counting.save_escapes(build, OUTPUT)
    counting.append([batch(1)])
    counting.expire(3 * HOUR)
    assert counting.escapes("forgotten", ["main.go"]) is None
    read = counting.escapes("build", ["main.go"])
    assert read
    assert read.escapes.values == VALUES[:1]
